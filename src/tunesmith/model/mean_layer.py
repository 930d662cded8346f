"""A transformer layer that gives every position the mean of all: pooling, written in weights that any library loads."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.backbone import pools, stacks_of
from tunesmith.model.body import body, whole
from tunesmith.model.bottleneck import parts_of
from tunesmith.model.domains import judging

SHARE = 30.0  # how often the mean counts in what the layer norm is given, where the state of the position counts once
ALIKE = 0.99  # cosine of what the layer gives and the mean
EQUAL = 0.05  # by how much norms of a mean may differ that was computed in another way: bfloat16 has three digits
FAMILIES = ("bert", "camembert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta")  # of which it is known
SAMPLE = 6  # tokens of the text by which it is tried


def can_end_in_mean(model: nn.Module) -> bool:
    """Whether a model is of a family that is known to hold such a layer, or pools by itself."""
    return whole(model).config.model_type in FAMILIES


def end_in_mean(model: nn.Module) -> bool:
    """Let what a head reads at the first token of an encoder's text be the mean of all its states; whether a layer was added for it.

    Where the family can pool (ModernBERT), its configuration says so. Where the top layer is one that gives the mean, nothing changes.
    The layer learns nothing. Raises ``InputError`` where layers of the family cannot give a mean, as those of decoders.
    """
    config = whole(model).config
    if hasattr(config, "classifier_pooling"):
        config.classifier_pooling = "mean"
        return False
    layers = _all_layers(model)
    if layers is None or len(layers) != config.num_hidden_layers:
        raise _refused(model)
    if pools(layers[-1]):
        return False
    states = _states(model)
    layers.append(mean_layer(layers[-1], model))
    config.num_hidden_layers += 1
    if torch.cosine_similarity(_states(model), states.mean(dim=0), dim=-1).min() < ALIKE:
        raise _refused(model)
    return hold(model)


@torch.no_grad()
def mean_layer(layer: nn.Module, model: nn.Module) -> nn.Module:
    """A layer like ``layer`` whose every output is norm(SHARE * mean of all inputs + its input), norm a layer norm of gain 1.

    Its keys are 0, so that attention goes to all real positions alike; values and their projection are multiples of the identity; its
    feed-forward part gives 0. Raises ``InputError`` where attention is not made of four matrices.
    """
    made = copy.deepcopy(layer)
    for weight in made.parameters():
        weight.zero_()
    for part in _norms(made):
        part.weight.fill_(1.0)  # type: ignore[operator]
    value, output = _values(made, model)
    nn.init.eye_(value.weight)
    nn.init.eye_(output.weight).mul_(SHARE)
    return made


def ends_in_mean(model: nn.Module) -> bool:
    """Whether the last layer of a model gives every position the mean of all."""
    layers = _all_layers(model)
    return layers is not None and pools(layers[-1])


def reads_mean(model: nn.Module) -> bool:
    """Whether what a head reads of a text is the mean of its states."""
    return ends_in_mean(model) or getattr(whole(model).config, "classifier_pooling", None) == "mean"


def hold(model: nn.Module) -> bool:
    """Let a layer that gives the mean, where a model ends in one, learn nothing and drop nothing out. Returns whether it does.

    What it gives is computed from then on without its products, which are by 0 and by the identity.
    """
    layers = _all_layers(model)
    if layers is None or not pools(layers[-1]):
        return False
    layer = layers[-1]
    layer.requires_grad_(False)
    for part in layer.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    if len(_norms(layer)) == 2 and not isinstance(layer, Averaging):
        kind: type[Any] = type(layer)
        before = _states(model)
        layer.__class__ = type(kind.__name__, (Averaging, kind), {"__module__": kind.__module__})
        if not torch.allclose(_states(model), before, atol=EQUAL):  # the layers of a family may be made otherwise
            layer.__class__ = kind
    return True


class Averaging:
    """The forward pass of a layer that gives the mean, for each position of those that it attends to."""

    def forward(self, hidden_states: Tensor, attention_mask: Any = None, *inputs: Any, **settings: Any) -> Any:
        if not (attention_mask is None or (isinstance(attention_mask, Tensor) and attention_mask.dim() == 4)):
            return super().forward(hidden_states, attention_mask, *inputs, **settings)  # type: ignore[misc]
        first, second = _norms(self)
        return second(first(hidden_states + SHARE * means(hidden_states, attention_mask)))


def means(states: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of the states that each position attends to, (batch, length, hidden), as ``mask`` of attention says.

    ``mask`` (batch, 1, length, length) is added to scores, or is true where they count.
    """
    if mask is None:
        return states.mean(dim=1, keepdim=True)
    seen = mask[:, 0].float() if mask.dtype == torch.bool else mask[:, 0].float().clamp_min(torch.finfo(torch.float32).min).softmax(dim=-1)
    return (seen / seen.sum(dim=-1, keepdim=True)).to(states.dtype) @ states


def _norms(layer: Any) -> list[nn.Module]:
    """The norms of a layer, that of attention first."""
    return [part for part in layer.modules() if "norm" in type(part).__name__.lower()]


def _all_layers(model: nn.Module) -> nn.ModuleList | None:
    """The layers of a model that reads tokens with one list of them, one that pools among them."""
    stacks = stacks_of(model) if hasattr(getattr(whole(model), "config", None), "vocab_size") else []
    found = model.get_submodule(stacks[0].lists[0]) if len(stacks) == 1 and len(stacks[0].lists) == 1 else None
    return found if isinstance(found, nn.ModuleList) else None


def _values(layer: nn.Module, model: nn.Module) -> tuple[nn.Linear, nn.Linear]:
    """The linear layers of an attention that make its values, and its output of them."""
    names = dict(parts_of(layer)).get("attention", [])
    if len(names) != 4:
        raise _refused(model)
    _, _, value, output = (layer.get_submodule(name) for name in names)
    if not all(isinstance(part, nn.Linear) and part.in_features == part.out_features for part in (value, output)):
        raise _refused(model)
    return value, output  # type: ignore[return-value]


@torch.no_grad()
def _states(model: nn.Module) -> torch.Tensor:
    """The last states of a text of a few tokens: (tokens, hidden)."""
    inner = body(model) or model
    tokens = torch.arange(2, 2 + SAMPLE, device=next(model.parameters()).device) % whole(model).config.vocab_size
    with judging(model):
        states: torch.Tensor = inner(input_ids=tokens[None])[0][0].float()
    return states


def _refused(model: nn.Module) -> InputError:
    family = whole(model).config.model_type
    return InputError(
        Problem(f"mean_pooling: a layer of {family} cannot give the mean of all positions", "Take mean_pooling out of strategies")
    )
