"""A mixture's loss: that of a task alone where there is one, exact over micro-batches, and a weighted mean over the items of several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from training import mixture
from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.mixture import PLACE, SEVERAL, Mixture, mean_of_tasks, scaled, through
from tunesmith.core.run import Run
from tunesmith.model.backbone import describe
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
    assert task.offers == {SEVERAL, "logits"}
    blind = replace(task.members["tags"], task=type("Blind", (type(task.members["tags"].task),), {"offers": frozenset()})())
    assert Mixture({**task.members, "blind": blind}).offers == {SEVERAL}
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
