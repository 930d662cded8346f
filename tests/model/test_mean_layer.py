"""A layer that gives the mean of all positions: in several families, padded, saved and loaded, or refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model.backbone import describe, layers
from tunesmith.model.body import body
from tunesmith.model.build import build
from tunesmith.model.mean_layer import SHARE, Averaging, end_in_mean, hold, means, reads_mean

IDS = torch.tensor([[2, 9, 11, 8, 3], [2, 8, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def classifier(family: str) -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(tiny.configs[family](num_labels=3)).eval()


@torch.no_grad()
def states(model: transformers.PreTrainedModel) -> torch.Tensor:
    inner = body(model)
    assert inner is not None
    found: torch.Tensor = inner(input_ids=IDS, attention_mask=MASK)[0]
    return found


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_every_position_holds_the_mean_of_the_real_ones(family: str, tmp_path: Path) -> None:
    model = classifier(family)
    before, count = states(model), len(layers(model))
    assert not reads_mean(model)
    assert end_in_mean(model)
    assert reads_mean(model)
    assert len(layers(model)) == count == model.config.num_hidden_layers - 1, "what pools is none of the layers that strategies count"
    added = [param for param in describe(model).values() if not model.get_parameter(param.name).requires_grad]
    assert added
    assert all(param.head for param in added)
    mean = (before * MASK[..., None]).sum(1) / MASK.sum(1, keepdim=True)
    expected = F.layer_norm(SHARE * mean[:, None] + before, before.shape[-1:])
    torch.testing.assert_close(states(model), expected, rtol=1e-3, atol=1e-3)
    assert torch.cosine_similarity(states(model)[:, 0], mean).min() > 0.99 > torch.cosine_similarity(before[:, 0], mean).max()

    model.save_pretrained(tmp_path)
    loaded, told = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    torch.testing.assert_close(loaded.eval()(IDS, MASK).logits, model(IDS, MASK).logits, rtol=1e-4, atol=1e-5)
    assert hold(loaded)
    assert torch.equal(loaded(IDS, MASK).logits, model(IDS, MASK).logits)
    assert not end_in_mean(loaded), "the layer is there already"
    held = [name for name, weight in loaded.named_parameters() if not weight.requires_grad]
    assert held == [param.name for param in added]
    around = {name.rpartition(".")[0] for name in held}
    assert not [part for name, part in loaded.named_modules() if name in around and getattr(part, "p", 0.0)]
    assert not hold(classifier(family))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_it_is_computed_without_products_to_the_same_values_and_gradients(family: str, attention: str) -> None:
    model = classifier(family)
    end_in_mean(model)
    model.set_attn_implementation(attention)
    layer = layer_of(model)
    assert isinstance(layer, Averaging)
    found = []
    for kind in (type(layer), type(layer).__mro__[2]):
        layer.__class__ = kind
        model.zero_grad()
        model(IDS, MASK).logits.square().sum().backward()
        gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        found.append((states(model), gradients))
    assert kind.__name__ == type(copy.deepcopy(layer)).__name__
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_texts_that_share_a_row_have_means_of_their_own() -> None:
    given = torch.randn(1, 5, 4)
    own = torch.tensor([[1, 1, 0, 0, 0]] * 2 + [[0, 0, 1, 1, 1]] * 3).bool()
    expected = torch.cat(
        [given[:, :2].mean(1, keepdim=True).expand(-1, 2, -1), given[:, 2:].mean(1, keepdim=True).expand(-1, 3, -1)], dim=1
    )
    torch.testing.assert_close(means(given, own[None, None]), expected)
    torch.testing.assert_close(means(given, torch.zeros(1, 1, 5, 5).masked_fill(~own, -torch.inf)), expected)
    torch.testing.assert_close(means(given, None), given.mean(1, keepdim=True))


def layer_of(model: transformers.PreTrainedModel) -> Any:
    """The last of the list of layers."""
    [found] = [
        part[-1] for part in model.modules() if isinstance(part, torch.nn.ModuleList) and len(part) == model.config.num_hidden_layers
    ]
    return found


@pytest.mark.parametrize("family", ["albert", "xlnet", "deberta", "gpt2", "llama", "t5", "vit"])
def test_families_whose_layers_cannot_are_refused(family: str) -> None:
    model = tiny.base(family)
    with pytest.raises(InputError, match="cannot give the mean of all positions"):
        end_in_mean(model)


def test_a_head_that_reads_single_tokens_is_refused_on_it(tmp_path: Path) -> None:
    model = classifier("bert")
    end_in_mean(model)
    model.save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    assert build(str(tmp_path), Head("AutoModelForSequenceClassification", {"num_labels": 3})).about.startswith(f"{tmp_path.name} (Bert, 3")
    with pytest.raises(InputError, match="no token can be told from another"):
        build(str(tmp_path), Head("AutoModelForTokenClassification", {"num_labels": 3}))


def test_a_family_that_pools_itself_is_told_to() -> None:
    model = classifier("modernbert")
    before = model(IDS, MASK).logits
    assert not end_in_mean(model)
    assert model.config.classifier_pooling == "mean"
    assert reads_mean(model)
    assert not torch.equal(model(IDS, MASK).logits, before)
