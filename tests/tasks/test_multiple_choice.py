"""Multiple choice on what people have: choices and answers in their forms, on encoders and decoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from training import TRAINING
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.task import Row
from tunesmith.data.encode import Encoded
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.strategies.freeze import Freeze
from tunesmith.tasks.multiple_choice import MultipleChoice

ROWS: list[Row] = [
    {"question": "the film was", "choices": ["good", "a bad film"], "answer": "B"},
    {"question": "the cat", "context": "no dog", "choices": ["yes", "no", "it is"], "answer": "A"},
    {"question": "the story", "context": None, "choices": ["dull", "great"], "answer": "a"},
]


def learned(rows: list[Row] = ROWS, **settings: Any) -> tuple[MultipleChoice, list[Row]]:
    task = MultipleChoice(**({"max_length": 32} | settings))
    task.learn(rows)
    return task, [task.read(row) for row in rows]


def built(task: MultipleChoice, folder: Path, family: str = "bert") -> Model:
    torch.manual_seed(0)
    return build_for(task, str(tiny.folder(folder, family)))


def encoded(task: MultipleChoice, rows: list[Row], model: Model) -> Encoded:
    return Encoded([task.encode(rows, model.tokenizer)])


def loss(task: MultipleChoice, rows: list[Row], model: Model) -> Loss:
    items = encoded(task, rows, model)
    return task.objective(task.collate([items[row] for row in range(len(items))], model.tokenizer), Forward(model.module))


def test_what_is_learned_is_told() -> None:
    task = MultipleChoice()
    assert task.learn(ROWS) == ["task: one of 2 or 3 choices, given by letter"]
    assert (task.answers, task.first) == ("letter", None)
    assert "logits" not in task.offers  # rows have different numbers of choices
    assert "logits" in learned([ROWS[0], ROWS[2]])[0].offers


def test_rows_are_read_with_the_number_of_the_right_choice() -> None:
    _, read = learned()
    assert [row["answer"] for row in read] == [1, 0, 0]
    assert read[1]["context"] == "no dog"
    assert "context" not in read[2]


def test_a_table_with_a_column_for_each_choice(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    lines = [f"{number} ?,red,green,{'blue' if number % 2 else ''},{'ABA'[number % 3]}" for number in range(12)]
    file.write_text("\n".join(["Question,Option A,Option B,Option C,Correct Answer", *lines]), encoding="utf-8")
    task = MultipleChoice()
    data = load(DataSettings(str(file), None, None), task, 0)
    assert [len(row["choices"]) for row in data.train][:2] == [2, 3]
    assert [row["answer"] for row in data.train][:3] == [0, 1, 0]
    file.write_text(
        "\n".join(["Question,Option A,Option B,Option C,Correct Answer", *lines, "x ?,red,green,,C", "y ?,red,,,A"]), encoding="utf-8"
    )
    with pytest.raises(InputError) as caught:
        load(DataSettings(str(file), None, None), MultipleChoice(), 0)
    assert str(caught.value).splitlines() == [
        f"{file}:14 Correct Answer: the answer 'C' is no choice. The choices are A to B.",
        f"{file}:15 choices: a question needs two choices at least, and has 1. "
        "Give a list of choices, or say in task.separator what parts them in a cell.",
    ]


def test_choices_in_one_cell_are_parted() -> None:
    rows = [{"question": f"{number} ?", "options": "red|green|blue", "answer": ("red", "blue")[number % 2]} for number in range(8)]
    data = load(DataSettings(rows, None, None), MultipleChoice(), 0)
    assert data.train[1] == {"question": "1 ?", "choices": ["red", "green", "blue"], "answer": 2}


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_choices_that_are_not_there_change_nothing(tmp_path: Path, family: str) -> None:
    task, read = learned()
    model = built(task, tmp_path, family)
    together, alone = loss(task, read, model), [loss(task, [row], model) for row in read]
    assert float(together.sum.detach()) == pytest.approx(sum(float(one.sum.detach()) for one in alone), rel=1e-4)
    together.sum.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.module.parameters() if weight.grad is not None)
    found = predict(Forward(model.module), encoded(task, read, model), task, model.tokenizer)
    assert [len(one["probabilities"]) for one in found] == [2, 3, 2]
    assert all(
        sum(one["probabilities"]) == pytest.approx(1) and one["choice"] == row["choices"][one["index"]]
        for one, row in zip(found, read, strict=True)
    )


def test_a_decoder_prefers_the_choice_that_it_finds_most_likely(tmp_path: Path) -> None:
    """The score of a choice is its mean log-probability after the prompt, computed here from the logits of the whole text."""
    task, read = learned([ROWS[0]], template="{question}")
    model = built(task, tmp_path, "llama")
    scores = []
    for choice in read[0]["choices"]:
        prompt, said = (model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("the film was", choice))
        ids = torch.tensor([[tiny.CLS, *prompt, *said]])
        logs = model.module(ids).logits[0].detach().log_softmax(dim=1)
        scores.append(sum(float(logs[len(prompt) + place, token]) for place, token in enumerate(said)) / len(said))
    [found] = predict(Forward(model.module), encoded(task, read, model), task, model.tokenizer)
    assert found["probabilities"] == pytest.approx(torch.tensor(scores).softmax(0).tolist(), abs=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "gptneox", "llama", "qwen2"])
def test_a_question_is_read_once_for_all_its_choices(tmp_path: Path, family: str) -> None:
    task, read = learned()
    model = built(task, tmp_path, family)
    assert task.packed
    items = list(encoded(task, read, model))
    for side in ("left", "right"):
        model.tokenizer.padding_side = side
        found = []
        for task.packed in (True, False):
            batch = task.collate(items, model.tokenizer)
            model.module.zero_grad()
            loss = task.objective(batch, Forward(model.module))
            loss.mean.backward()
            gradients = {name: weight.grad.clone() for name, weight in model.module.named_parameters() if weight.grad is not None}
            with torch.no_grad():
                found.append((task._scores(batch, Forward(model.module)), gradients, batch.positions, len(batch.inputs["input_ids"])))
        (scores, moved, positions, rows), (expected, as_alone, more, sequences) = found
        torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)
        for name, gradient in moved.items():
            torch.testing.assert_close(gradient, as_alone[name], atol=1e-5, rtol=1e-4)
        assert (rows, sequences) == (3, 7)
        assert positions < 0.75 * more


def test_a_decoder_learns(tmp_path: Path) -> None:
    task, rows = MultipleChoice.example()
    task.learn(rows)
    read, model = [task.read(row) for row in rows], built(task, tmp_path, "llama")
    before = float(loss(task, read, model).mean.detach())
    fit(model, task, encoded(task, read, model), [], TRAINING, None, [])
    assert float(loss(task, read, model).mean.detach()) < before


def test_frozen_layers_are_computed_once_for_each_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of frozen layers is kept by sequence, of which a row has several."""
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    task, rows = MultipleChoice.example()
    task.learn(rows)
    read, model = [task.read(row) for row in rows], built(task, tmp_path)
    fitted = fit(model, task, encoded(task, read, model), [Freeze(layers=2)], TRAINING, None, [])
    assert torch.isfinite(torch.tensor(fitted.run.loss))


@pytest.mark.parametrize(
    ("settings", "message"), [({"template": "{question} :"}, "are for decoders"), ({"normalise": "none"}, "are for decoders")]
)
def test_settings_of_decoders_are_refused_for_encoders(tmp_path: Path, settings: Row, message: str) -> None:
    with pytest.raises(InputError, match=message):
        built(learned(**settings)[0], tmp_path)


@pytest.mark.parametrize(
    ("template", "message"), [("What?", "does not say where the question goes"), ("{question} {choices}", "{choices}")]
)
def test_a_template_that_cannot_be_filled_is_refused(template: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        MultipleChoice(template=template)
    assert message in str(caught.value)


def test_metrics_are_told_by_the_number_of_choices() -> None:
    task, read = learned()
    predictions = [{"index": index, "choice": "", "probabilities": []} for index in (1, 2, 0)]
    assert task.metrics(predictions, read) == {
        "accuracy": pytest.approx(2 / 3),
        "per_kind": {"2 choices": {"accuracy": 1.0, "rows": 2}, "3 choices": {"accuracy": 0.0, "rows": 1}},
    }


def test_rows_as_people_see_them() -> None:
    task, read = learned()
    shown = task.shown(read[1], {"index": 2, "choice": "it is", "confidence": 0.5, "probabilities": []})
    assert shown == {
        "text": "the cat", "predicted": "it is", "truth": "yes", "choices": "A. yes  B. no  C. it is",
        "context": "no dog", "confidence": 0.5
    }  # fmt: skip


def test_baselines_know_nothing_of_the_question() -> None:
    task, read = learned()
    found = task.baselines(read, read)
    assert [one["index"] for one in found["most_frequent_position"]] == [0, 0, 0]
    assert [one["choice"] for one in found["longest_choice"]] == ["a bad film", "it is", "great"]
    assert found["random_choice"] == task.baselines(read[:1], read)["random_choice"]
