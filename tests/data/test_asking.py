"""One text, or one file, is a row where the task needs no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.errors import InputError
from tunesmith.core.task import Task
from tunesmith.data.asking import as_rows, row_of
from tunesmith.tasks.chat import Chat
from tunesmith.tasks.embedding import Embedding
from tunesmith.tasks.extractive_qa import ExtractiveQa
from tunesmith.tasks.image_classification import ImageClassification
from tunesmith.tasks.multiple_choice import MultipleChoice
from tunesmith.tasks.ranking import Ranking
from tunesmith.tasks.sequence_to_sequence import SequenceToSequence
from tunesmith.tasks.text_classification import TextClassification


@pytest.mark.parametrize(
    ("task", "role"),
    [
        (TextClassification(), "text"),
        (SequenceToSequence(), "source"),
        (Chat(), "prompt"),
        (Embedding(kind="pairs"), "anchor"),
        (ImageClassification(), "image"),
    ],
)
def test_a_text_is_what_the_task_is_asked(task: Task, role: str) -> None:
    assert row_of("good", task) == {role: "good"}


@pytest.mark.parametrize(
    ("task", "row"),
    [
        (ExtractiveQa(), '{"question": "...", "context": "..."}'),
        (MultipleChoice(), '{"question": "...", "choices": ["...", "..."]}'),
        (Ranking(), '{"query": "...", "candidates": ["...", "..."]}'),
        (TextClassification(pairs=True), '{"text": "...", "text_pair": "..."}'),
        (SequenceToSequence(template="{source} {context}"), '{"source": "...", "context": "..."}'),
    ],
)
def test_where_a_text_is_not_enough_the_row_is_shown(task: Task, row: str) -> None:
    with pytest.raises(InputError) as caught:
        row_of("good", task, "Say '{}'")
    assert caught.value.problems[0].remedy == f"Say '{row}'"


def test_texts_become_rows_and_the_names_of_data_do_not(tmp_path: Path) -> None:
    task = SequenceToSequence()
    (tmp_path / "notes").write_text("a film")
    assert as_rows(["good", "bad"], task) == [{"source": "good"}, {"source": "bad"}]
    for data in (
        "good",
        ["a.csv", "b.csv"],
        [str(tmp_path / "notes")],
        [{"text": "good"}, "bad"],
        [],
        {"text": ["good"]},
        "sample:sentiment",
    ):
        assert as_rows(data, task) == data


def test_a_picture_becomes_a_row_and_a_data_file_does_not(tmp_path: Path) -> None:
    task, picture, data = ImageClassification(), tmp_path / "a.png", tmp_path / "a.csv"
    picture.touch()
    data.touch()
    row = {"image": str(picture)}
    assert as_rows(picture, task) == as_rows(str(picture), task) == as_rows([picture], task) == [row]
    assert as_rows([str(picture), "b.png"], task) == [row, {"image": "b.png"}]
    for given in (data, str(data), str(tmp_path / "b.png"), "x" * 5000):
        assert as_rows(given, task) == given
    assert as_rows(str(picture), TextClassification()) == str(picture)
