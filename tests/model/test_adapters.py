"""Where adapters of peft attach, and what is said where they cannot."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable

import pytest
import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.adapters import frozen, head_modules, is_adapted, linear_layers, low_rank, merged, wrap
from tunesmith.model.backbone import describe
from tunesmith.strategies.adapter import Adapter


def build(family: str = "bert") -> nn.Module:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(tiny.configs[family](num_labels=3)).eval()


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("attention", {"query", "key", "value", "attention.output.dense"}),
        ("mlp", {"intermediate.dense", "output.dense"}),
        (["query", "mlp"], {"query", "intermediate.dense", "output.dense"}),
        ("*.layer.*.attention.self.[kv]*.weight", {"key", "value"}),
    ],
)
def test_targets_by_role_and_by_name(targets: str | list[str], expected: set[str]) -> None:
    model = build()
    found = linear_layers(model, describe(model), [targets] if isinstance(targets, str) else targets)
    short = {name.partition("layer.")[2][2:].removeprefix("attention.self.") for name in found}
    assert short == expected
    assert len(found) == 3 * len(expected)


SEES = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 16, "patch_size": 8, "num_hidden_layers": 3}
# what sees, alone or with a tower that reads -> linear layers of attention and of feed-forward blocks, and the modules of the head
SEEING: dict[str, tuple[Callable[[], nn.Module], int, int, list[str]]] = {
    "vit": (lambda: transformers.ViTForImageClassification(transformers.ViTConfig(**SEES)), 3 * 4, 3 * 2, ["classifier"]),
    "dinov2": (lambda: transformers.Dinov2ForImageClassification(transformers.Dinov2Config(**SEES)), 3 * 4, 3 * 2, ["classifier"]),
    "gated": (lambda: transformers.Dinov2Model(transformers.Dinov2Config(**SEES, use_swiglu_ffn=True)), 3 * 4, 3 * 3, []),
    "clip": (lambda: tiny.base("clip"), 5 * 4, 5 * 2, ["visual_projection", "text_projection"]),
    "pair": (
        lambda: transformers.VisionTextDualEncoderModel(vision_model=tiny.base("vit"), text_model=tiny.base("bert")),
        6 * 4,
        6 * 2,
        ["vision_model.pooler", "text_model.pooler", "visual_projection", "text_projection"],
    ),
}


@pytest.mark.parametrize("name", SEEING)
def test_roles_find_the_layers_of_what_sees(name: str) -> None:
    make, attention, mlp, heads = SEEING[name]
    model = make()
    params = describe(model)
    found = {role: linear_layers(model, params, [role]) for role in ("attention", "mlp", "all")}
    assert {role: len(names) for role, names in found.items()} == {"attention": attention, "mlp": mlp, "all": attention + mlp}
    assert sorted(head_modules(model, params)) == sorted(heads)


@pytest.mark.parametrize("name", ["clip", "pair"])
@pytest.mark.parametrize("tower", ["vision_model", "text_model"])
def test_the_name_of_a_tower_means_its_layers_alone(name: str, tower: str) -> None:
    model = SEEING[name][0]()
    params = describe(model)
    found = linear_layers(model, params, [tower])
    assert found == [layer for layer in linear_layers(model, params, ["all"]) if layer.startswith(f"{tower}.")] != []


@pytest.mark.parametrize(("family", "heads"), [("bert", ["bert.pooler", "classifier"]), ("roberta", ["classifier"]), ("gpt2", ["score"])])
def test_head_modules(family: str, heads: list[str]) -> None:
    model = build(family)
    assert head_modules(model, describe(model)) == heads


def test_the_output_matrix_of_a_language_model_is_no_head() -> None:
    for tied in (True, False):
        config = copy.deepcopy(tiny.configs["gpt2"]())
        config.tie_word_embeddings = tied
        model = AutoModelForCausalLM.from_config(config)
        assert head_modules(model, describe(model)) == []


def test_what_is_wrapped_is_frozen_but_for_what_was_added() -> None:
    from peft import IA3Config

    model = build()
    before = {name for name, _ in model.named_parameters()}
    adapted = wrap(model, IA3Config(target_modules=["key", "value"], feedforward_modules=[]))
    assert len(frozen(adapted)) == len(before)
    assert all("ia3_" in name for name, _ in adapted.named_parameters() if name not in frozen(adapted))


def test_nothing_is_wrapped_before_peft_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    import peft

    model = build()
    assert not is_adapted(model)
    assert is_adapted(wrap(model, peft.LoraConfig(target_modules=["query"])))
    monkeypatch.delitem(sys.modules, "peft")
    assert not is_adapted(build())
    assert "peft" not in sys.modules


def test_no_second_adapter_is_put_on_the_first() -> None:
    from peft import PromptTuningConfig

    adapted = low_rank(build(), "attention", 2)
    tries: list[Callable[[], object]] = [
        lambda: low_rank(adapted, "all", 8),
        lambda: wrap(adapted, PromptTuningConfig(num_virtual_tokens=2)),
        lambda: Adapter().adapt(adapted),
    ]
    for attempt in tries:
        with pytest.raises(InputError, match=r"an adapter already \(lora\).*Merge it first"):
            attempt()


def test_what_peft_cannot_attach_is_told() -> None:
    from peft import LNTuningConfig

    with pytest.raises(InputError, match=r"ln_tuning cannot be attached to BertForSequenceClassification .*Use lora"):
        wrap(build(), LNTuningConfig())


@pytest.mark.parametrize("kind", ["ia3", "vera", "loha"])
def test_a_folded_adapter_leaves_the_model_as_it_was_built(kind: str) -> None:
    from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftType

    model = build()
    names, ids = [name for name, _ in model.named_parameters()], torch.tensor([[2, 10, 11, 3]])
    more = {"feedforward_modules": []} if kind == "ia3" else {}
    heads = head_modules(model, describe(model))
    adapted = wrap(
        model, PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(kind.upper())](target_modules=["query"], modules_to_save=heads, **more)
    ).eval()
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.add_(0.1 * torch.randn(weight.shape))
        expected = adapted(input_ids=ids).logits
        folded = merged(adapted)
        torch.testing.assert_close(folded(input_ids=ids).logits, expected, atol=1e-5, rtol=1e-4)
    assert [name for name, _ in folded.named_parameters()] == names
