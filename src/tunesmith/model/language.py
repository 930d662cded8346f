"""The pre-training of a model: its own body under the language-model head that it was pre-trained with, or that it could have been."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run, seed_of
from tunesmith.core.task import Head
from tunesmith.model.beside import learn_beside
from tunesmith.model.body import body, replayed, whole
from tunesmith.model.build import build

PRETRAINING = "pretraining"  # the name under which the head hangs below the model
NOT_CAUSAL = {"xlnet"}  # their positions see those that come later, by a mask of their own


@dataclass(frozen=True)
class Language:
    """A language model around a body that another model uses too.

    ``causal``  whether a position predicts the next token, rather than its own
    ``fresh``   whether its head was in no file
    """

    model: Any
    body: nn.Module
    causal: bool
    fresh: bool

    def token_losses(self, inputs: Mapping[str, Tensor], asked: Tensor, tokens: Tensor) -> Tensor:
        """-log P of ``tokens`` (tokens,) at the positions where ``asked`` (batch, length) is true: (tokens,).

        The head is computed at these positions alone.
        """
        output = self.body(**inputs)
        hidden = output[0][asked][None]  # (1, tokens, hidden)
        with replayed(self.body, [type(output)(last_hidden_state=hidden)]):
            logits = self.model(input_ids=tokens[None]).logits[0]
        return F.cross_entropy(logits.float(), tokens, reduction="none")

    def attach(self, run: Run) -> None:
        """Let the head learn with the model of the run: as a module below it that is no part of what is saved."""
        if self.model is whole(run.model):
            return
        head = {name: part for name, part in self.model.named_children() if part is not self.body}
        learn_beside(run, PRETRAINING, nn.ModuleDict(head))


def language_of(run: Run) -> Language:
    """The language model of a run's model. A head that is in no file is drawn, and its output matrix is that of the embeddings.

    Raises ``InputError`` for a model that is no text encoder or decoder.
    """
    model = whole(run.model)
    inner = body(run.model) or model
    assert "table" not in vars(inner.get_input_embeddings()), "what asks for words has to say so: Strategy.all_tokens"  # type: ignore[operator]
    causal = head_of(model.config)
    if model.get_output_embeddings() is not None and inner is not model:
        return Language(model, inner, causal == "AutoModelForCausalLM", fresh=False)
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(run.seed, PRETRAINING))
        built, fresh = _built(model, causal, run)
    setattr(built, built.base_model_prefix, inner)
    built.tie_weights()
    return Language(built, inner, causal == "AutoModelForCausalLM", fresh)


def head_of(config: Any) -> str:
    """The class of transformers that a family is pre-trained with. Raises ``InputError`` where it is neither encoder nor decoder."""
    import transformers

    for auto in ("AutoModelForMaskedLM", "AutoModelForCausalLM"):
        known = type(config) in getattr(transformers, auto)._model_mapping
        if known and not config.is_encoder_decoder and config.model_type not in NOT_CAUSAL:
            return auto
    message = f"{config.model_type} models have no pre-training of masked or next tokens that can go on"
    raise InputError(Problem(message, "Take pretrain_loss out of strategies, or name an encoder or a decoder of text"))


def _built(model: Any, auto: str, run: Run) -> tuple[Any, bool]:
    """A whole language model of the family, from the folder of the run's model where there is one."""
    import transformers

    if model.name_or_path:
        built = build(model.name_or_path, Head(auto, {}), run.say)
        return built.module, bool(built.fresh)
    return getattr(transformers, auto).from_config(model.config), True
