"""Augmentation in the loop: which rows change, that labels stay, and that a step repeats."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from types import SimpleNamespace

import pytest

import tiny
from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.core.strategy import Rows
from tunesmith.data import rewriting
from tunesmith.data.encode import Encoded
from tunesmith.engine.stack import Stack
from tunesmith.strategies.augment import Augment
from tunesmith.tasks.text_classification import TextClassification

TEXTS = ["a good film of paris and music", "the worst story i like", "这部电影很好看", "bad"] * 5


@pytest.fixture
def texts(run: Run) -> Run:
    """The run with encoded texts."""
    task = TextClassification(kind="single", labels=["a", "b"], pairs=False)
    rows = task.encode([{"text": text, "label": i % 2} for i, text in enumerate(TEXTS)], tiny.tokenizer())
    run.train, run.tokenizer = Encoded([rows]), tiny.tokenizer()
    return run


def fed(strategy: Augment, run: Run, step: int) -> Rows:
    run.clock = Clock(step, 40, 10)
    return next(strategy.feed(repeat([run.train[i] for i in range(len(TEXTS))]), run))


def test_about_the_share_of_the_rows_changes_and_labels_stay(texts: Run) -> None:
    given = [texts.train[i] for i in range(len(TEXTS))]
    changed = 0
    for step in range(20):
        found = fed(Augment(share=0.5, operations=["swap"]), texts, step)
        assert [(row["row"], row["label"]) for row in found] == [(row["row"], row["label"]) for row in given]
        assert all(row["length"] == len(row["input_ids"]) <= 9 for row in found)
        changed += sum(row["input_ids"] != old["input_ids"] for row, old in zip(found, given, strict=True))
    assert changed / (20 * len(TEXTS) * 3 / 4) == pytest.approx(0.5, abs=0.08)  # a word alone cannot be swapped


def test_a_step_repeats_and_another_does_not(texts: Run) -> None:
    strategy = Augment(alpha=0.4)
    later = fed(strategy, texts, 7)
    assert fed(Augment(alpha=0.4), texts, 7) == later
    assert fed(strategy, texts, 8) != later
    assert fed(strategy, replace(texts, seed=1), 7) != later


def test_examples_are_told_and_so_is_an_operation_that_does_nothing(texts: Run, said: list[str]) -> None:
    texts.tokenizer = tiny.tokenizer()
    Augment(operations=["delete", "typo"], alpha=0.5).begin(texts)
    assert said[0].startswith("augment: delete makes of 'a good film of paris and music' '")
    texts.train = [texts.train[3]]
    Augment(operations=["swap"]).begin(texts)
    assert said[-1] == "augment: swap changes none of the first 1 rows"


def test_synonyms_without_wordnet_are_refused_with_the_remedy(texts: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise InputError("not here", remedy="Install it")

    monkeypatch.setattr(rewriting, "synonyms", missing)
    with pytest.raises(InputError, match="Install it"):
        Augment(operations=["synonym"]).begin(texts)


def test_no_operation_is_refused() -> None:
    with pytest.raises(InputError, match="no operation"):
        Augment(operations=[])


def test_a_task_whose_labels_have_places_in_the_text_is_refused() -> None:
    task = SimpleNamespace(offers=frozenset({"logits", "text"}))
    with pytest.raises(InputError, match="needs labels of whole texts"):
        Stack([Augment()], task)  # type: ignore[arg-type]
