"""Extractive question answering on what people have: what is learned, read, predicted and judged, on encoders and decoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.task import Row, RowError
from tunesmith.data.encode import Encoded
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.tasks.extractive_qa import ExtractiveQa

CONTEXT = "the movie was in paris . the music was a sad song . the man loved a cat . it was a fine day for the boring dog !"


def row(question: str, *answers: str, context: str = CONTEXT) -> Row:
    return {
        "question": question,
        "context": context,
        "answers": {"text": list(answers), "answer_start": [context.index(a) for a in answers]},
    }


ROWS = [row("the movie was in ?", "paris"), row("the music was ?", "a sad song", "song"), row("who ?")]


def learned(rows: list[Row] | None = None, **settings: Any) -> tuple[ExtractiveQa, list[Row]]:
    task = ExtractiveQa(**({"max_length": 32} | settings))
    task.learn(rows or ROWS)
    return task, [task.read(one) for one in rows or ROWS]


def built(task: ExtractiveQa, folder: Path, family: str = "bert") -> Model:
    torch.manual_seed(0)
    return build_for(task, str(tiny.folder(folder, family)))


class Oracle:
    """A model that scores the first and the last token of the truth highest, in each window that holds them."""

    def __init__(self, task: ExtractiveQa) -> None:
        self.task = task

    def output(self, batch: Any) -> dict[str, torch.Tensor]:
        places = [torch.nn.functional.one_hot(batch.targets[end], batch.inputs["input_ids"].shape[1]).float() for end in ("start", "end")]
        return {"start_logits": 9 * places[0], "end_logits": 9 * places[1]}

    def answers(self, rows: list[Row]) -> list[Any]:
        encoded = Encoded([self.task.encode(rows, tiny.tokenizer())])
        batch = self.task.collate([encoded[item] for item in range(len(encoded))], tiny.tokenizer())
        parts: dict[int, list[Any]] = {}
        for of_row, part in zip(batch.rows.tolist(), self.task.decode(batch, self.output(batch)), strict=True):
            parts.setdefault(of_row, []).append(part)
        return [self.task.merge(parts[number]) for number in sorted(parts)]


# What is learned


def test_questions_without_an_answer_are_found_and_told() -> None:
    task = ExtractiveQa()
    assert task.learn(ROWS) == ["task: 2 questions with an answer in their context, 1 without"]
    assert (task.unanswerable, task.scoring) == (True, "words")
    assert not learned(ROWS[:2])[0].unanswerable


def test_chinese_answers_are_judged_by_characters() -> None:
    rows = [row("哪里？", "北京大学", context="他在北京大学学习。")]
    task, read = learned(rows)
    assert task.scoring == "characters"
    prediction = {"answer": "北京", "n_best": []}
    assert task.metrics([prediction], read) == {"f1": pytest.approx(2 / 3), "exact_match": 0.0}


def test_a_threshold_is_refused_where_every_question_has_an_answer() -> None:
    with pytest.raises(InputError, match=r"task\.threshold is not read: every training row has an answer"):
        learned(ROWS[:2], threshold=1.0)
    assert learned(ROWS, threshold=1.0)[0].threshold == 1.0


def test_without_an_answer_a_row_is_refused_where_all_training_rows_have_one() -> None:
    task, _ = learned(ROWS[:2])
    with pytest.raises(RowError, match="there is no answer"):
        task.read(ROWS[2])


@pytest.mark.parametrize(
    ("change", "message", "column"),
    [
        ({"question": " "}, "the text is empty", "question"),
        ({"context": None}, "the text is empty", "context"),
        ({"context": 12}, "12 is no text", "context"),
        ({"answers": "berlin"}, "the answer 'berlin' is not in the context", "answers"),
    ],
)
def test_rows_that_cannot_be_used(change: Row, message: str, column: str) -> None:
    with pytest.raises(RowError, match=message) as caught:
        learned()[0].read(ROWS[0] | change)
    assert caught.value.column == column


def test_a_file_of_squad_is_loaded_and_a_bad_row_has_its_place(tmp_path: Path) -> None:
    def asked(number: int, text: str) -> Row:
        return {"id": f"{number}", "question": f"{number} ?", "answers": [{"text": text, "answer_start": 3}]}

    paragraphs = [{"context": f"{number} {CONTEXT}", "qas": [asked(number, "movie"), asked(number + 50, "cat")]} for number in range(20)]
    file = tmp_path / "train.json"
    file.write_text(json.dumps({"data": [{"title": "a", "paragraphs": paragraphs}]}), encoding="utf-8")
    task = ExtractiveQa()
    data = load(DataSettings(str(file), "20%", None), task, 0)
    assert data.validation is not None
    contexts = [{one["context"] for one in part} for part in (data.train, data.validation)]
    assert contexts[0].isdisjoint(contexts[1])  # questions about one text stay together
    paragraphs[0]["qas"] = [asked(0, "moovie")]
    file.write_text(json.dumps({"data": [{"title": "a", "paragraphs": paragraphs}]}), encoding="utf-8")
    with pytest.raises(InputError, match=r"train\.json:1 answers: the answer 'moovie' is not in the context\."):
        load(DataSettings(str(file), None, None), ExtractiveQa(), 0)


# What is predicted


def test_the_right_places_give_the_right_answers_whatever_the_windows() -> None:
    long = " ".join(f"{number} {CONTEXT}" for number in range(5))
    rows = [*ROWS, row("the best ?", "a fine day", context=long)]
    task, read = learned(rows, max_length=24)
    assert len(task.encode(read, tiny.tokenizer())) > 2 * len(rows)
    found = Oracle(task).answers(read)
    assert [one["answer"] for one in found] == ["paris", "a sad song", "", "a fine day"]
    assert task.metrics(found, read) | {"per_kind": 0, "best_threshold": 0} == {
        "f1": 1.0, "exact_match": 1.0, "best_f1": 1.0, "per_kind": 0, "best_threshold": 0
    }  # fmt: skip
    assert task.correct(found, read) == [1.0] * 4
    for one, asked in zip(found, read, strict=True):
        assert one["start"] is None or asked["context"][one["start"] : one["end"]] == one["answer"]


def test_n_best_are_spans_of_the_context(tmp_path: Path) -> None:
    task, read = learned(num_answers=4, max_answer=3)
    model = built(task, tmp_path)
    [found, *_] = predict(Forward(model.module), Encoded([task.encode(read, model.tokenizer)]), task, model.tokenizer)
    assert len(found["n_best"]) == 4
    for span in found["n_best"]:
        assert CONTEXT[span["start"] : span["end"]] == span["answer"]
        assert 1 <= len(span["answer"].split()) <= 3
    confidences = [span["confidence"] for span in found["n_best"]]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) < 1  # no answer has its share


def test_the_threshold_withholds_answers(tmp_path: Path) -> None:
    task, read = learned(threshold=-1e6)
    model = built(task, tmp_path)
    withheld = predict(Forward(model.module), Encoded([task.encode(read, model.tokenizer)]), task, model.tokenizer)
    assert {one["answer"] for one in withheld} == {""}
    task.threshold = 1e6
    given = predict(Forward(model.module), Encoded([task.encode(read, model.tokenizer)]), task, model.tokenizer)
    assert "" not in {one["answer"] for one in given}


@pytest.mark.parametrize("family", ["llama", "gpt2", "distilbert", "xlnet"])
def test_other_families_do_it_too(tmp_path: Path, family: str) -> None:
    task, read = learned()
    model = built(task, tmp_path, family)
    encoded = Encoded([task.encode(read, model.tokenizer)])
    batch = task.collate([encoded[item] for item in range(len(encoded))], model.tokenizer)
    assert torch.isfinite(task.objective(batch, Forward(model.module)).sum.detach())
    found = predict(Forward(model.module), encoded, task, model.tokenizer)
    assert all(set(one["answer"].split()) <= set(CONTEXT.split()) for one in found)


def test_nothing_but_the_context_can_be_an_answer() -> None:
    """The loss is over the tokens of the context and the position of no answer."""
    task, read = learned()
    encoded = Encoded([task.encode(read, tiny.tokenizer())])
    batch = task.collate([encoded[item] for item in range(len(encoded))], tiny.tokenizer())
    zeros = torch.zeros(batch.inputs["input_ids"].shape)
    loss = task.objective(batch, lambda _: {"start_logits": zeros, "end_logits": zeros})  # type: ignore[arg-type]
    assert float(loss.sum) == pytest.approx(float(batch.targets["allowed"].sum(dim=1).log().sum()), rel=1e-5)
    assert loss.count == len(batch)


# What people see


def test_a_right_answer_is_shown_as_the_truth() -> None:
    task, read = learned()
    shown = task.shown(read[1], {"answer": "Song", "confidence": 0.5, "n_best": []})
    assert (shown["predicted"], shown["truth"], shown["confidence"]) == ("Song", "Song", 0.5)
    assert task.shown(read[1], {"answer": "paris", "n_best": []})["truth"] == "a sad song"
    assert task.shown(read[2], {"answer": "paris", "n_best": []})["truth"] == "no answer"
    assert task.shown(read[2], {"answer": "", "n_best": []})["predicted"] == "no answer"


def test_baselines_answer_from_the_context_alone() -> None:
    task, read = learned()
    found = task.baselines(read, read)
    assert [one["answer"] for one in found["likeliest_sentence"]][:2] == ["the movie was in paris .", "the music was a sad song ."]
    assert task.metrics(found["no_answer"], read)["per_kind"]["unanswerable"]["f1"] == 1.0
    assert task.metrics(found["likeliest_sentence"], read)["f1"] > 0
    assert "no_answer" not in learned(ROWS[:2])[0].baselines(read, read)
