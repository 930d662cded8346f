"""Training rows as the trunk cache reads them: which can be known again, and by what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
from training import encoded
from tunesmith.core.task import Task
from tunesmith.engine.training_rows import TrainingRows
from tunesmith.model.frontier import NotCacheableError
from tunesmith.tasks.masked_language_modelling import MaskedLanguageModelling
from tunesmith.tasks.text_classification import TextClassification

TOWER: Any = SimpleNamespace(path="", reads=lambda inputs: inputs)


def rows_of(kind: type[Task]) -> TrainingRows:
    task, rows = kind.example()
    train = encoded(task, rows)
    return TrainingRows(SimpleNamespace(task=task, device=torch.device("cpu")), train, tiny.tokenizer())  # type: ignore[arg-type]


def test_words_that_are_masked_anew_each_time_are_no_rows_to_keep() -> None:
    with pytest.raises(NotCacheableError, match="another way each time"):
        rows_of(MaskedLanguageModelling).check(TOWER)


def test_texts_with_labels_are_the_same_each_time_and_in_any_company() -> None:
    rows = rows_of(TextClassification)
    rows.check(TOWER)
    shortest, longest = rows.ends[0]
    assert rows.train.lengths[shortest] < rows.train.lengths[longest] or shortest == longest
    alone = [rows.told_apart(TOWER, rows.batch([item]))[0][0] for item in (shortest, longest)]
    assert rows.told_apart(TOWER, rows.batch([shortest, longest]))[0] == alone
    assert sorted(item for batch in rows.batches for item in batch) == list(range(len(rows.train)))
