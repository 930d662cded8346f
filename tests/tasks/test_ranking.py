"""Ranking on what people have: rows of each form, the loss that fits them, and queries judged as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.task import Row
from tunesmith.data.encode import Encoded
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.model.rank_losses import LISTWISE, POINTWISE
from tunesmith.tasks.ranking import Ranking, prediction

LISTS: list[Row] = [
    {"query": "film", "candidates": ["a good movie", "a cat", "dog"], "relevance": [2, 0, 1]},
    {"query": "cat", "candidates": ["the dog", "music"], "relevance": [1, 0]},
]
PAIRS: list[Row] = [
    {"query": "film", "positive": "a good movie", "negative": "a cat"},
    {"query": "cat", "positive": ["dog"], "negative": ["no", "yes"]},
]
POINTS: list[Row] = [{"query": "film", "text": text, "relevance": relevance} for text, relevance in (("a movie", 1), ("a cat", 0))]


def learned(rows: list[Row], **settings: Any) -> tuple[Ranking, list[Row]]:
    task = Ranking(**({"max_length": 32} | settings))
    task.learn(rows)
    return task, [task.read(row) for row in rows]


def built(task: Ranking, folder: Path) -> Model:
    torch.manual_seed(0)
    return build_for(task, str(tiny.folder(folder)))


@pytest.mark.parametrize(
    ("rows", "loss"),
    [
        (LISTS, "softmax"),
        (PAIRS, "ranknet"),
        (POINTS, "bce"),
        ([*POINTS, {"query": "film", "text": "x", "relevance": 3}], "mse"),
        ([*LISTS, {"query": "a", "candidates": ["b"], "relevance": [1]}], "softmax"),
    ],
)
def test_the_loss_that_fits_is_found_and_told(rows: list[Row], loss: str) -> None:
    task = Ranking()
    told = task.learn(rows)
    assert task.loss == loss
    assert told[0].startswith("task: ")
    assert told[-1] == f"task: loss {loss}"


@pytest.mark.parametrize(
    ("rows", "loss", "message"),
    [
        (POINTS, "softmax", r"task\.loss: softmax compares the texts of a row, and each has one\. Leave it out, or take mse"),
        ([*LISTS], "bce", r"task\.loss: bce takes relevances from 0 to 1, and there are higher ones"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(rows: list[Row], loss: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        learned(rows, loss=loss)


FITTING = {"mse": [LISTS, PAIRS, POINTS], "bce": [PAIRS, POINTS], **{loss: [LISTS, PAIRS] for loss in LISTWISE}}


@pytest.mark.parametrize(("loss", "rows"), [(loss, rows) for loss, fitting in FITTING.items() for rows in fitting])
def test_every_loss_is_that_of_the_scores(tmp_path: Path, loss: str, rows: list[Row]) -> None:
    task, read = learned(rows, loss=loss)
    model = built(task, tmp_path)
    encoded = Encoded([task.encode(read, model.tokenizer)])
    found = predict(Forward(model.module), encoded, task, model.tokenizer)
    with torch.no_grad():
        given = task.objective(task.collate([encoded[row] for row in range(len(read))], model.tokenizer), Forward(model.module))
    scores, relevances = [torch.tensor(one["scores"]) for one in found], [torch.tensor(row["relevances"]) for row in read]
    if loss in POINTWISE:
        expected = POINTWISE[loss](torch.cat(scores), torch.cat(relevances))
        assert given.count == sum(map(len, scores))
    else:
        each = [LISTWISE[loss](s[None], r[None], torch.ones_like(s[None]) > 0) for s, r in zip(scores, relevances, strict=True)]
        expected = torch.cat(each).sum()
        assert given.count == len(read)
    assert float(given.sum) == pytest.approx(float(expected), rel=1e-4)


def test_queries_stay_together_and_are_judged_as_one(tmp_path: Path) -> None:
    rows = [{"query": f"q{number}", "text": f"t{number} {text}", "label": int(text == 0)} for number in range(20) for text in range(3)]
    task = Ranking()
    data = load(DataSettings(rows, "20%", None), task, 0)
    assert data.validation is not None
    queries = [{row["query"] for row in part} for part in (data.train, data.validation)]
    assert queries[0].isdisjoint(queries[1])
    truths = list(data.validation)
    found = [prediction([float(row["relevances"][0] > 0)]) for row in truths]
    assert task.metrics(found, truths)["ndcg@10"] == 1.0
    assert task.metrics(found, truths)["queries"] == len(queries[1])
    assert task.correct(found, truths) == [1.0] * len(truths)


def test_rows_that_judge_nothing_are_refused_before_training() -> None:
    flat = [row | {"relevance": [0] * len(row["candidates"])} for row in LISTS]
    with pytest.raises(InputError, match="no query has two candidates of different relevance, so no ranking can be judged") as caught:
        load(DataSettings(LISTS, flat, None), Ranking(), 0)
    assert [problem.key for problem in caught.value.problems] == ["data.validation"]


def test_a_ranking_of_rows_that_judge_nothing_has_no_score() -> None:
    task, read = learned(LISTS)
    flat = [row | {"relevances": [0.0] * len(row["texts"])} for row in read]
    assert task.metrics([prediction([0.0] * len(row["texts"])) for row in read], flat) == {"queries": 0}


def test_a_bad_row_has_its_place(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(
        '{"query": "a", "candidates": ["b", "c"], "relevance": [1, 0]}\n{"query": "d", "candidates": ["e", "f"], "relevance": [1]}\n'
        '{"query": " ", "candidates": ["e", "f"], "relevance": [1, 0]}\n',
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        load(DataSettings(str(file), None, None), Ranking(), 0)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{file}:2 relevance: 2 candidates have 1 relevances. Give one for each, in the same order.",
        f"{file}:3 query: the cell is empty. Fill it, or leave the row out.",
    ]


def test_rows_as_people_see_them() -> None:
    task, read = learned(LISTS)
    shown = task.shown(read[0], prediction([0.1, 0.3, 0.2]))
    assert shown == {"text": "film", "predicted": "a cat", "ranking": ["a cat", "dog", "a good movie"], "truth": "a good movie"}
    single, points = learned(POINTS)
    assert single.shown(points[0], prediction([0.1])) == {"text": "film | a movie", "predicted": 0.1, "truth": 1.0}


def test_bm25_finds_the_words_of_the_query() -> None:
    rows = [{"query": "cat", "candidates": ["a dog", "a cat"], "relevance": [0, 1]}]
    task, read = learned(rows)
    assert task.baselines(read, read)["bm25"][0]["ranking"] == [1, 0]
