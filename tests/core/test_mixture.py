"""A mixture's loss: that of a task alone where there is one, exact over micro-batches, and a weighted mean over the items of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers

import tiny
from training import learned, mixture
from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import APART, GUESTS, PLACE, SEVERAL, Member, Mixture, mean_of_tasks, scaled, through
from tunesmith.core.run import Run
from tunesmith.core.task import Row, Task
from tunesmith.data.encode import Encoded, encode
from tunesmith.data.joined import joined
from tunesmith.model.backbone import describe
from tunesmith.model.shared import SharedTrunk, share
from tunesmith.tasks.masked_language_modelling import MaskedLanguageModelling
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.tasks.token_classification import TokenClassification


def test_the_loss_of_one_task_is_that_task_alone() -> None:
    model, task, items, _ = mixture(weights=(3.0, 0.5))
    forward = Forward(model.module.eval())
    for number, (name, member) in enumerate(task.members.items()):
        own = [item for item in items if item[PLACE] == number]
        batch = task.collate(own, None)
        assert batch.notes[PLACE] == name
        alone = member.task.objective(batch, Forward(model.module.head(name)))  # type: ignore[operator]
        mixed = task.objective(batch, forward)
        assert float(mixed.mean.detach()) == pytest.approx(float(alone.mean.detach()), rel=1e-6)
        assert mixed.count == pytest.approx(alone.count * member.weight / member.worth)
        assert float(mixed.parts[name]) == pytest.approx(float(mixed.sum.detach()))
        assert mixed.weights is not None
        assert float(mixed.weights.sum()) == pytest.approx(mixed.count)


def test_the_gradient_of_the_trunk_is_the_sum_over_tasks() -> None:
    model, task, items, _ = mixture(weights=(1.0, 2.0))
    module, forward = model.module.eval(), Forward(model.module.eval())
    groups = [[item for item in items if item[PLACE] == number] for number in (0, 1)]
    halves = [half for group in groups for half in (group[:5], group[5:])]  # the arithmetic must hold over micro-batches

    def gradient(batches: list[list[dict[str, object]]], divisor: float) -> torch.Tensor:
        module.zero_grad()
        for rows in batches:
            (task.objective(task.collate(rows, None), forward).sum / divisor).backward()  # type: ignore[no-untyped-call]
        found = module.trunk.encoder.layer[0].output.dense.weight.grad  # type: ignore[union-attr, index]
        assert found is not None
        return found.clone()

    counts = [task.objective(task.collate(group, None), forward).count for group in groups]
    together = gradient(halves, sum(counts))
    alone = [gradient([group], count) for group, count in zip(groups, counts, strict=True)]  # of each task's mean loss
    expected = (counts[0] * alone[0] + counts[1] * alone[1]) / sum(counts)
    torch.testing.assert_close(together, expected, rtol=1e-4, atol=1e-7)
    rows, tokens = len(groups[0]), sum(len(item["starts"]) for item in groups[1])
    assert counts == pytest.approx([rows, 2 * tokens / 7])


def test_a_task_that_begins_gets_its_own_items_and_the_model_through_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    model, task, items, _ = mixture()
    seen: list[Run] = []
    monkeypatch.setattr(TokenClassification, "begin", lambda self, run: seen.append(run))
    forward = Forward(model.module)
    task.begin(Run(model.module, task, forward, Clock(0, 1, 1), forward.device, 0, lambda line: None, train=items))
    [run] = seen
    assert run.task is task.members["tags"].task
    assert list(run.train) == [item for item in items if item[PLACE] == 1]
    assert run.forward.module is model.module.head("tags")  # type: ignore[operator]


def test_a_new_head_of_several_labels_begins_at_how_frequent_each_is() -> None:
    model, task, items, _ = mixture()
    labels: Any = task.members["texts"].task
    labels.kind = "multi"
    rows = [{**item, "label": [item["label"]]} if item[PLACE] == 0 else item for item in items]
    names = {name for name, _ in model.module.named_parameters() if "classifier" in name}
    params = describe(model.module, None, names)
    forward = Forward(model.module)
    task.start(Run(model.module, task, forward, Clock(0, 1, 1), forward.device, 0, lambda line: None, params=params, train=rows))
    head: Any = model.module.head("texts")  # type: ignore[operator]
    counts = torch.bincount(torch.tensor([item["label"] for item in items if item[PLACE] == 0]), minlength=2)
    torch.testing.assert_close(head.classifier.bias.sigmoid().detach(), (counts + 0.5) / (counts.sum() + 1))
    assert not model.module.head("tags").classifier.bias.any()  # type: ignore[operator]
    task.start(Run(model.module, task, forward, Clock(0, 1, 1), forward.device, 0, lambda line: None, params=params))  # nothing is trained


def test_rows_of_two_tasks_share_no_batch_and_strategies_with_rows_of_their_own_are_refused() -> None:
    _, task, items, _ = mixture()
    assert [task.part_of(items[0]), task.part_of(items[-1])] == [0, 1]
    for call in (lambda: task.collate([items[0], items[-1]], None), task.columns, task.head, lambda: task.read({})):
        with pytest.raises(InputError, match="A strategy wants rows of one task, and there are 2: texts, tags"):
            call()


def test_it_offers_what_all_tasks_offer() -> None:
    _, task, _, _ = mixture()
    assert task.offers == {SEVERAL, APART, "logits"}
    blind = replace(task.members["tags"], task=type("Blind", (type(task.members["tags"].task),), {"offers": frozenset()})())
    assert Mixture({**task.members, "blind": blind}).offers == {SEVERAL, APART}
    assert not task.compares


def test_scaling_keeps_the_mean() -> None:
    loss = Loss(torch.tensor(6.0), 3.0, torch.zeros(2, 2), weights=torch.tensor([1.0, 2.0]), parts={"l2": torch.tensor(1.0)})
    half = scaled(loss, 0.5, "a")
    assert (float(half.mean), half.count) == (2.0, 1.5)
    assert half.weights is not None
    assert half.weights.tolist() == [0.5, 1.0]
    assert {name: float(part) for name, part in half.parts.items()} == {"l2": 0.5, "a": 3.0}


def test_the_mean_of_tasks_turns_errors_round() -> None:
    _, task, _, _ = mixture()
    right = task.members["texts"].task
    wrong = type("Wrong", (type(right),), {"higher_is_better": False})()
    assert mean_of_tasks({"a": 0.8, "b": 3.0}, {"a": right, "b": wrong}) == pytest.approx((0.8 + 0.25) / 2)


def test_an_answer_goes_through_the_head_of_its_task() -> None:
    model, task, items, _ = mixture()
    forward = Forward(model.module.eval())
    assert through("tags", forward).module is model.module.head("tags")  # type: ignore[operator]
    with torch.no_grad():
        assert "label" in task.answer(task.collate([items[0]], None), forward, None)[0]


def test_the_texts_of_all_tasks_get_rows_of_their_own() -> None:
    _, task, _, _ = mixture(weights=(1.0, 1.0))
    assert not task.unpack()
    for member in task.members.values():
        member.task.packed = True
    assert task.unpack()
    assert not any(member.task.packed for member in task.members.values())


def guests(rate: float = 0.3) -> tuple[SharedTrunk, Mixture, Encoded]:
    """Labels of texts on one tiny trunk, with two guests: masked words of all texts, and other labels of every other one."""
    (own, rows), words = TextClassification.example(), MaskedLanguageModelling(max_length=16, rate=rate)
    other = TextClassification(labels=["a", "b", "c"], max_length=16)
    tasks: dict[str, tuple[Task, list[Row]]] = {
        "texts": (own, rows),
        "words": (words, [{"text": row["text"]} for row in rows]),
        "other": (other, [{"text": row["text"], "label": "abc"[n % 3]} for n, row in enumerate(rows[::2])]),
    }
    items = {name: encode(learned(task, given), task, tiny.tokenizer()) for name, (task, given) in tasks.items()}
    torch.manual_seed(1)
    config = tiny.configs["bert"]
    module = share(
        {
            "texts": tiny.bert(num_labels=2),
            "words": transformers.BertForMaskedLM(config()),
            "other": transformers.BertForSequenceClassification(config(num_labels=3)),
        }
    )
    members = {name: Member(tasks[name][0], tiny.tokenizer(), len(own), 2.0, 4.0) for name, own in items.items()}
    whole = joined(items["texts"], {name: items[name] for name in ("words", "other")})
    host = replace(members["texts"], guests={name: members[name] for name in ("words", "other")})
    return module, Mixture({"texts": host}), Encoded.join({"texts": whole}, PLACE)


def test_guests_learn_from_one_pass_what_they_would_from_passes_of_their_own() -> None:
    module, task, items = guests()
    module.eval()
    forward = Forward(module)
    passes: list[int] = []
    module.trunk.encoder.register_forward_hook(lambda *_: passes.append(1))  # type: ignore[union-attr]

    def gradient(losses: Sequence[Loss]) -> dict[str, torch.Tensor]:
        module.zero_grad()
        torch.stack([loss.sum for loss in losses]).sum().backward()
        return {name: weight.grad.clone() for name, weight in module.named_parameters() if weight.grad is not None}

    for part in {task.part_of(item) for item in items}:
        own = [{**item, "draw": 3} for item in items if task.part_of(item) == part]
        batch = task.collate(own, None)
        assert batch.notes[GUESTS] == (("words", "other") if own[0][GUESTS] == 3 else ("words",))
        assert int((batch.inputs["input_ids"] == tiny.tokenizer().mask_token_id).sum()) > 0  # what the words' task makes of the texts
        loss = task.objective(batch, forward)
        assert len(passes) == 1
        found = gradient([loss])
        alone = []
        for name in ("texts", *batch.notes[GUESTS]):
            of = {role.removeprefix(f"{name}/"): value for role, value in batch.targets.items() if role.startswith(f"{name}/")}
            single = replace(batch, targets=of or {"labels": batch.targets["labels"]}, notes={})
            one = task.members["texts"].guests.get(name, task.members["texts"])
            alone.append(scaled(one.task.objective(single, through(name, forward)), one.weight / one.worth, name))
        assert loss.count == pytest.approx(sum(other.count for other in alone))
        parts = {name: float(value) for other in alone for name, value in other.parts.items()}
        assert {name: float(value) for name, value in loss.parts.items()} == pytest.approx(parts)
        expected = gradient(alone)
        assert found.keys() == expected.keys()
        for name, own_gradient in found.items():
            torch.testing.assert_close(own_gradient, expected[name], rtol=1e-4, atol=1e-6)
        passes.clear()
    assert "forward" not in vars(module.trunk)


def test_tasks_with_guests_offer_neither_logits_nor_passes_of_their_own() -> None:
    _, task, items = guests()
    assert task.offers == {SEVERAL}
    parts = [task.part_of(item) for item in items]
    assert sorted({*parts}) == [1, 3]  # with the words alone, and with both
    with pytest.raises(InputError, match="and there are 1: texts"):
        task.collate([items[0], {**items[-1], PLACE: 1}], None)


def test_a_guest_begins_with_the_items_that_it_learns_from(monkeypatch: pytest.MonkeyPatch) -> None:
    module, task, items = guests()
    seen: list[Run] = []
    monkeypatch.setattr(TextClassification, "begin", lambda self, run: seen.append(run), raising=False)
    forward = Forward(module)
    task.begin(Run(module, task, forward, Clock(0, 1, 1), forward.device, 0, lambda line: None, train=items))
    host, other = seen
    assert ([len(run.train) for run in seen], other.forward.module) == ([12, 6], module.head("other"))
    assert {item["label"] for item in host.train} == {0, 1}
    assert {item["label"] for item in other.train} == {0, 1, 2}
    assert not any("/" in name for run in seen for item in run.train for name in item)


def test_two_guests_that_change_the_tokens_and_inputs_of_other_kinds_are_refused() -> None:
    _, task, items = guests()
    host = task.members["texts"]
    twice = Mixture({"texts": replace(host, guests=dict.fromkeys(("words", "again"), host.guests["words"]))})
    given = [{**item, "again/words": item["words/words"], GUESTS: 3} for item in items]
    with pytest.raises(InputError, match=r"words and again both change the tokens that texts reads.*Take same_pass_as out of all but one"):
        twice.collate(given, None)

    class Odd(MaskedLanguageModelling):
        def collate(self, features: Any, tokenizer: Any) -> Batch:
            batch = super().collate(features, tokenizer)
            return replace(batch, inputs={**batch.inputs, "labels": batch.targets["labels"]})

    odd = Mixture({"texts": replace(host, guests={"words": replace(host.guests["words"], task=Odd(max_length=16))})})
    with pytest.raises(InputError, match=r"tasks\.words cannot share passes with texts: they differ in labels, which the model reads"):
        odd.collate([{**item, GUESTS: 1} for item in items], None)

    class Twice(MaskedLanguageModelling):
        def collate(self, features: Any, tokenizer: Any) -> Batch:
            return super().collate([*features, *features], tokenizer)

    doubled = Mixture({"texts": replace(host, guests={"words": replace(host.guests["words"], task=Twice(max_length=16))})})
    with pytest.raises(InputError, match=r"tasks\.words cannot share passes with texts: they differ in rows, which the model reads"):
        doubled.collate([{**items[0], GUESTS: 1}], None)
