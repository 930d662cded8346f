"""LoRA: against peft and the formula, base weights untouched, heads learn, folders load, and what cannot be is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, BertConfig, GPT2Config, RobertaConfig

import tiny
import tunesmith
from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.model.backbone import describe
from tunesmith.model.surgery import amount
from tunesmith.strategies.lora import LoRA
from tunesmith.strategies.qlora import QLoRA
from tunesmith.tasks.image_text import ImageText

# peft 0.21 asks transformers 5.23 for a property by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")

SIZES = {"vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
CONFIGS = {
    "bert": BertConfig(**SIZES, num_labels=3),
    "roberta": RobertaConfig(**SIZES, num_labels=3),
    "gpt2": GPT2Config(vocab_size=30, n_embd=16, n_layer=2, n_head=2, n_inner=24, num_labels=3, pad_token_id=0),
}
IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])


def build(family: str = "bert") -> nn.Module:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(CONFIGS[family]).eval()


def logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def learning(strategy: LoRA, model: nn.Module, before: set[str]) -> dict[str, nn.Parameter]:
    """What the plan lets learn, by name."""
    rules = {name: strategy.plan(param, Rule(), Clock(0, 10, 10)) for name, param in describe(model, before).items()}
    return {name: w for name, w in model.named_parameters() if rules[name].learns}


def trained(strategy: LoRA, model: nn.Module, steps: int = 3) -> nn.Module:
    """The adapted model after a few steps of SGD on what the plan lets learn."""
    before = {name for name, _ in model.named_parameters()}
    adapted = strategy.adapt(model).eval()
    weights = list(learning(strategy, adapted, before).values())
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(adapted(input_ids=IDS).logits, torch.tensor([0, 2]))
        for w, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            with torch.no_grad():
                w.sub_(0.5 * gradient)
    return adapted


@pytest.mark.parametrize("family", list(CONFIGS))
@pytest.mark.parametrize(
    "strategy", [LoRA(rank=2), LoRA(rank=2, dora=True), LoRA(rank=2, initialisation="pissa"), LoRA(rank=2, dropout=0.5)]
)
def test_adapting_changes_no_prediction(family: str, strategy: LoRA) -> None:
    model = build(family)
    expected = logits(model)
    torch.testing.assert_close(logits(strategy.adapt(model)), expected, atol=1e-5, rtol=1e-4)


def test_the_update_is_that_of_the_formula() -> None:
    strategy = LoRA(rank=2, alpha=6, targets="query")
    adapted = trained(strategy, build())
    layer = adapted.base_model.model.bert.encoder.layer[0].attention.self.query
    x = torch.randn(4, 16)
    update = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(layer(x), layer.base_layer(x) + 6 / 2 * x @ update.T)
    assert update.abs().sum() > 0


def test_it_is_what_peft_makes_of_the_same_settings() -> None:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, lora_alpha=8, use_rslora=True, target_modules=["query", "value"], modules_to_save=["classifier", "pooler"])
    first, second = build(), build()
    torch.manual_seed(3)
    ours = LoRA(rank=4, alpha=8, targets=["query", "value"], rank_stabilised=True).adapt(first)
    torch.manual_seed(3)
    theirs = get_peft_model(second, config)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
    scalings = [module.scaling["default"] for module in ours.modules() if hasattr(module, "lora_A")]
    assert scalings == [8 / 4**0.5] * 4


@pytest.mark.parametrize("family", list(CONFIGS))
def test_adapters_and_head_learn_and_the_base_is_untouched(family: str) -> None:
    model = build(family)
    before, kept = {name for name, _ in model.named_parameters()}, copy.deepcopy(model)
    strategy = LoRA(rank=2)
    adapted = strategy.adapt(model)
    names = learning(strategy, adapted, before)
    assert all("lora_" in name or "modules_to_save" in name for name in names)
    assert any("modules_to_save" in name for name in names)
    trained_model = trained(LoRA(rank=2), build(family))
    with trained_model.disable_adapter():
        torch.testing.assert_close(logits(trained_model), logits(kept))
    assert not torch.allclose(logits(trained_model), logits(kept))


@pytest.mark.parametrize(
    "strategy", [LoRA(rank=2), LoRA(rank=2, dora=True), LoRA(rank=2, initialisation="pissa"), LoRA(rank=2, rank_stabilised=True)]
)
def test_the_saved_folder_loads_with_peft_alone(strategy: LoRA, tmp_path: Path) -> None:
    from peft import PeftModel

    adapted = trained(strategy, build())
    adapted.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(build(), tmp_path).eval()
    torch.testing.assert_close(logits(loaded), logits(adapted), atol=1e-5, rtol=1e-4)


def test_the_same_seed_makes_the_same_adapter() -> None:
    adapters = []
    for seed in (1, 1, 2):
        model = build()
        torch.manual_seed(seed)
        adapters.append(LoRA(rank=2).adapt(model).state_dict())
    name = next(name for name in adapters[0] if "lora_A" in name)
    assert torch.equal(adapters[0][name], adapters[1][name])
    assert not torch.equal(adapters[0][name], adapters[2][name])


@pytest.mark.parametrize(
    ("strategy", "message"),
    [(LoRA(targets=["qeury"]), "query"), (LoRA(rank=17), "rank 17"), (LoRA(targets=["classifier"]), "classifier")],
)
def test_impossible_targets_are_refused(strategy: LoRA, message: str) -> None:
    with pytest.raises(InputError, match=message):
        strategy.adapt(build())


def test_it_says_what_was_added(run: Run, said: list[str]) -> None:
    model = build()
    before = {name for name, _ in model.named_parameters()}
    strategy = LoRA(rank=2, targets="query")
    run.params = describe(strategy.adapt(model), before)
    strategy.begin(run)
    assert said == [f"lora: {amount(128)} weights added, of rank 2"]


@pytest.mark.parametrize("kind", [LoRA, QLoRA])
@pytest.mark.parametrize("tower", ["vision_model", "text_model"])
def test_one_tower_of_two_learns(kind: Callable[..., Any], tower: str, tmp_path: Path) -> None:
    """What sees and what reads meet in their projections, which are the head; the other tower stays as it is."""
    task, rows = ImageText.example()
    report = tunesmith.train(
        model={"vision": str(tiny.folder(tmp_path, "vit")), "text": str(tiny.folder(tmp_path, "bert"))},
        task=task,
        data={"train": rows, "validation": rows[:4]},
        baselines=False,
        strategies=[kind(rank=2, targets=[tower])],
        training={"steps": 2, "batch_size": 4, "learning_rate": 3e-2, "precision": "float32"},
        run="pair",
        runs=tmp_path / "runs",
    )
    tuned = tunesmith.load(report.folder)
    weights = dict(tuned.model.module.named_parameters())
    changed = {
        f"{place}.{name}"
        for place, family in (("vision_model", "vit"), ("text_model", "bert"))
        for name, weight in tiny.base(family).named_parameters()
        if not torch.equal(weights[f"{place}.{name}"], weight) and "pooler" not in name
    }
    assert len(changed) == 3 * 6
    assert all(name.startswith(tower) for name in changed)
    judged = [json.loads(line)["texts"] for line in (report.folder / "predictions/validation.jsonl").read_text().splitlines()]
    assert [found["texts"] for found in tuned.predict(rows[:4])] == judged


def test_the_second_matrix_may_learn_faster() -> None:
    strategy, model = LoRA(rank=2, b_rate=16.0), build()
    before = {name for name, _ in model.named_parameters()}
    params = describe(strategy.adapt(model), before)
    rates = {name: strategy.plan(param, Rule(), Clock(0, 10, 10)).rate for name, param in params.items()}
    assert {rate for name, rate in rates.items() if "lora_B" in name} == {16.0}
    assert {rate for name, rate in rates.items() if "lora_B" not in name} == {1.0}
