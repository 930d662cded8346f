"""The trunk cache changes nothing but the time: with and without it a run ends in the same weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.models.bert.modeling_bert import BertLayer

from training import SGD, mixed_fit, same, tiny_fit, weights, writing_fit
from tunesmith.core import waiting
from tunesmith.core.clock import Span
from tunesmith.core.mixture import MEAN
from tunesmith.core.strategy import Strategy
from tunesmith.engine import training_rows
from tunesmith.engine import trunk as trunks
from tunesmith.engine.events import read_events
from tunesmith.engine.hidden import HiddenStates
from tunesmith.engine.loop import Fitted
from tunesmith.engine.training_rows import TrainingRows
from tunesmith.model.frontier import standing_in
from tunesmith.samples.fetch import cache
from tunesmith.strategies.adaptive import Adaptive
from tunesmith.strategies.augment import Augment
from tunesmith.strategies.freeze import Freeze
from tunesmith.strategies.lora import LoRA
from tunesmith.strategies.unfreeze import Unfreeze


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))


def said(folder: Path) -> list[str]:
    return [event["text"] for event in read_events(folder / "events.jsonl") if event["event"] == "say" and "trunk" in event["text"]]


def both(folder: Path, *strategies: Strategy, **changes: Any) -> tuple[Fitted, Fitted]:
    return tuple(tiny_fit(folder / trunk, strategies, trunk=trunk, **changes) for trunk in ("auto", "off"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "strategies",
    [[Freeze(layers=1)], [Freeze(layers=2)], [Freeze(layers=3)], [Unfreeze(Span(2, "ep"))], [LoRA(targets=["layer.2"])]],
    ids=["one layer", "two layers", "linear probe", "unfreeze", "lora above"],
)
def test_the_weights_are_those_without_it(strategies: list[Strategy], tmp_path: Path) -> None:
    kept, plain = both(tmp_path, *strategies, steps=12)
    assert "are computed once for each row instead of " in said(tmp_path / "auto")[0]
    assert said(tmp_path / "off") == []
    found, expected = weights(kept), weights(plain)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)
    assert [one.get("accuracy") for one in kept.run.evaluations] == [one.get("accuracy") for one in plain.run.evaluations]


@pytest.mark.parametrize("strategies", [[Freeze(layers=2)], [LoRA(targets=["layer.2"])]], ids=["two layers", "lora above"])
def test_several_tasks_share_what_is_kept(strategies: list[Strategy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sgd: dict[str, Any] = {"steps": 12, "optimizer": "sgd", "learning_rate": 0.1}  # Adam makes steps of the last bit of a zero gradient
    plain = mixed_fit(tmp_path / "off", strategies, trunk="off", **sgd)
    lowest: list[int] = []
    counting = BertLayer.forward
    monkeypatch.setattr(BertLayer, "forward", lambda layer, *a, **k: (lowest.append(len(lowest)), counting(layer, *a, **k))[1])
    kept = mixed_fit(tmp_path / "auto", strategies, **sgd)
    assert "the lowest 2 of 3 layers are computed once" in said(tmp_path / "auto")[0]
    assert len(lowest) < 3 * 24, "two tasks in each of twelve steps, and three layers"
    found, expected = weights(kept), weights(plain)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)
    assert [one[MEAN] for one in kept.run.evaluations] == pytest.approx([one[MEAN] for one in plain.run.evaluations])


def test_the_lowest_layers_are_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counting(run: Any) -> None:
        for name in ("0", "1", "2"):
            run.model.bert.encoder.layer[int(name)].register_forward_hook(lambda *_, name=name: calls.append(name))

    monkeypatch.setattr(Freeze, "begin", lambda self, run: counting(run))
    tiny_fit(None, [Freeze(layers=2)], steps=12)
    assert calls.count("2") > 12
    assert calls.count("1") < 6, "once for all rows, for the check, and for what is judged"


def test_it_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SILENT", 0.0)
    monkeypatch.setattr(training_rows, "POSITIONS", 16)
    tiny_fit(tmp_path, [Freeze(layers=2)], steps=12)
    assert said(tmp_path)[0].startswith("trunk: computing the lowest 2 layers once for each row: ")


def test_conversations_that_share_rows_are_found_in_any_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_rows, "POSITIONS", 16)  # so that each stands with others when they are kept and when they are learned
    plain = writing_fit(tmp_path / "off", [Freeze(layers=2)], steps=8, trunk="off", **SGD)
    served: list[bool] = []
    get = HiddenStates.get

    def watched(states: HiddenStates, keys: Any, remembered: bool = True) -> Any:
        found = get(states, keys, remembered)
        served.extend([found is not None] if torch.is_grad_enabled() else [])
        return found

    monkeypatch.setattr(HiddenStates, "get", watched)
    kept = writing_fit(tmp_path / "auto", [Freeze(layers=2)], steps=8, **SGD)
    assert "computed once" in said(tmp_path / "auto")[0]
    assert served, "it learned from what was kept"
    assert all(served)
    found, expected = weights(kept), weights(plain)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)


def test_another_run_finds_what_the_first_one_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tiny_fit(None, [Freeze(layers=2)])
    assert len(list((cache() / "trunk").glob("*.bin"))) == 1
    monkeypatch.setattr(trunks.Trunk, "_compute", lambda *_: pytest.fail("it was computed again"))
    assert same(weights(tiny_fit(None, [Freeze(layers=2)])), weights(first))


def test_it_resumes_to_the_last_bit_with_the_cache_gone(tmp_path: Path) -> None:
    through = tiny_fit(tmp_path / "through", [Freeze(layers=2)], steps=8)
    at = "checkpoints/step-00000006"  # less than an epoch is left: alone, it would not be worth it
    shutil.copytree(tmp_path / "through" / at, tmp_path / "resumed" / at)
    shutil.rmtree(cache() / "trunk")
    resumed = tiny_fit(tmp_path / "resumed", [Freeze(layers=2)], steps=8)
    assert same(weights(resumed), weights(through))
    assert list((cache() / "trunk").glob("*.bin"))


def test_a_decision_taken_at_the_checkpoint_itself_is_resumed_to_the_last_bit(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 14, "evaluate_every": Span(4, "st")}
    through = tiny_fit(tmp_path / "through", [Adaptive(start=0, layers=1)], **settings)
    at = "checkpoints/step-00000004"  # where the first evaluation lets another layer learn, which was kept until then
    shutil.copytree(tmp_path / "through" / at, tmp_path / "resumed" / at)
    shutil.copy(tmp_path / "through" / "events.jsonl", tmp_path / "resumed" / "events.jsonl")
    resumed = tiny_fit(tmp_path / "resumed", [Adaptive(start=0, layers=1)], **settings)
    assert same(weights(resumed), weights(through))
    assert said(tmp_path / "resumed") == said(tmp_path / "through")
    assert len(said(tmp_path / "through")) > 1


def test_one_pass_over_the_rows_is_not_worth_it(tmp_path: Path) -> None:
    tiny_fit(tmp_path, [Freeze(layers=2)], steps=3)
    assert said(tmp_path) == []
    assert not (cache() / "trunk").exists()


def test_one_pass_is_kept_for_other_runs_where_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tiny_fit(tmp_path, [Freeze(layers=2)], steps=3, trunk="always")
    assert "are computed once for each row" in said(tmp_path)[0]
    monkeypatch.setattr(trunks.Trunk, "_compute", lambda *_: pytest.fail("it was computed again"))
    assert same(weights(tiny_fit(None, [Freeze(layers=2)], steps=3, trunk="always")), weights(first))


def test_what_learns_from_the_bottom_is_never_kept(tmp_path: Path) -> None:
    tiny_fit(tmp_path, [Freeze(patterns=["layer.1"])])
    assert said(tmp_path) == []


def test_a_strategy_that_changes_what_layers_read_keeps_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Freeze, "perturbs", True)
    tiny_fit(tmp_path, [Freeze(layers=2)])
    assert said(tmp_path) == []


def test_a_strategy_that_changes_rows_keeps_it_off(tmp_path: Path) -> None:
    tiny_fit(tmp_path, [Freeze(layers=2), Augment()])
    assert said(tmp_path) == []
    assert not (cache() / "trunk").exists()


def test_the_texts_of_a_batch_are_told_apart_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []  # the batches themselves: the number of one that is gone may be another's
    computed: list[Any] = []
    told_apart, given = TrainingRows.told_apart, trunks.Trunk._given
    monkeypatch.setattr(TrainingRows, "told_apart", lambda rows, *of: (told.append(of[1]), told_apart(rows, *of))[1])
    monkeypatch.setattr(trunks.Trunk, "_given", lambda trunk, *of: (computed.append(of[2]), given(trunk, *of))[1])
    tiny_fit(None, [Freeze(layers=2)], steps=12)
    assert computed
    assert [sum(one is batch for one in told) for batch in computed] == [1] * len(computed)


def test_a_model_that_gives_something_else_is_computed_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunks, "padded", lambda states, real: 3 * torch.nn.utils.rnn.pad_sequence(states, batch_first=True))
    kept = tiny_fit(tmp_path, [Freeze(layers=2)])
    assert "computed each time: with what they gave the model puts out something else" in said(tmp_path)[0]
    monkeypatch.undo()
    assert same(weights(kept), weights(tiny_fit(None, [Freeze(layers=2)], trunk="off")))


def test_too_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunks, "LIMIT", 100)
    tiny_fit(tmp_path, [Freeze(layers=2)])
    assert "too much for" in said(tmp_path)[0]


def test_what_is_kept_is_of_the_weights_that_were_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of an earlier checkpoint, or averages, may be put below the frontier after it was filled."""
    served: list[bool] = []
    monkeypatch.setattr(trunks, "standing_in", lambda *of: (served.append(True), standing_in(*of))[1])
    run = tiny_fit(None, [Freeze(layers=2)]).run
    batch = run.task.collate([run.train[row] for row in range(4)], run.tokenizer)
    weight = dict(run.model.named_parameters())["bert.encoder.layer.0.output.dense.weight"]
    own, run.model = weight.detach().clone(), run.model.eval()

    def agree() -> None:
        served.clear()
        with torch.no_grad():
            torch.testing.assert_close(run.forward(batch).logits, run.model(**batch.inputs).logits)

    agree()
    assert served
    weight.data = own.double()  # another format for the same numbers
    assert run.forward.trunk._unchanged(run.forward.trunk.towers[0])  # type: ignore[attr-defined]
    weight.data = own.clone()
    with torch.no_grad():
        weight += 1.0
    agree()
    assert not served
    with torch.no_grad():
        weight.copy_(own)
    agree()
    assert served


def test_where_one_process_cannot_keep_them_none_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunks.distributed, "any_rank", lambda flag: True)
    tiny_fit(tmp_path, [Freeze(layers=2)])
    assert said(tmp_path)[0] == "trunk: the lowest 2 layers are computed each time: another process cannot keep them"
