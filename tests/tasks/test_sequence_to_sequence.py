"""Sequence to sequence: with every kind of model, and the mistakes of a newcomer."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from training import TRAINING
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.task import RowError
from tunesmith.data.columns import find
from tunesmith.data.encode import Encoded
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import predict
from tunesmith.model.build import build_for
from tunesmith.run import train
from tunesmith.tasks.sequence_to_sequence import SequenceToSequence

LONGER = replace(TRAINING, steps=60, learning_rate=1e-2, batch_size=12)
ROWS = [
    {"source": f"{i} the {word} was {word} , yes", "target": f"{word} film"} for i in range(3) for word in ("good", "sad", "dull", "slow")
]


def model_of(family: str, folder: Path) -> str:
    if family == "two berts":
        bert = tiny.folder(folder)
        return f"encoder={bert},decoder={bert}"
    return str(tiny.folder(folder, family))


@pytest.mark.parametrize("family", ["t5", "bart", "marian", "two berts", "gpt2", "llama"])
def test_every_kind_of_model_learns_to_write(family: str, tmp_path: Path) -> None:
    task = SequenceToSequence(max_source_length=16, max_target_length=5, template="{source} :")
    task.learn(ROWS)
    torch.manual_seed(0)
    model = build_for(task, model_of(family, tmp_path))
    rows = [task.read(row) for row in ROWS]
    encoded = Encoded([task.encode(rows, model.tokenizer)])
    fitted = fit(model, task, encoded, [], LONGER, None, [])
    found = predict(Forward(fitted.run.model.eval()), encoded, task, model.tokenizer)
    scores = task.metrics(found, rows)
    assert scores[task.primary] > 0.6, found


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_texts_of_a_decoder_share_rows_and_have_the_losses_that_they_have_alone(family: str, tmp_path: Path) -> None:
    task = SequenceToSequence(max_source_length=24, max_target_length=5, template="{source} :")
    sources = ("the film was good , and the music was very very good too", "a dog", "the cat", "a man")
    rows = [{"source": source, "target": "good film"} for source in sources]
    task.learn(rows)
    torch.manual_seed(0)
    model = build_for(task, model_of(family, tmp_path))
    items = list(Encoded([task.encode([task.read(row) for row in rows], model.tokenizer)]))
    found = []
    assert task.packed
    for task.packed in (True, False):
        batch = task.collate(items, model.tokenizer)
        loss = task.objective(batch, Forward(model.module))
        found.append((float(loss.sum.detach()), loss.count, len(batch.inputs["input_ids"])))
    (together, tokens, fewer), (alone, same, all_rows) = found
    assert together == pytest.approx(alone, rel=1e-5)
    assert tokens == same
    assert fewer < all_rows == 4


def test_a_whole_run_with_two_models(tmp_path: Path) -> None:
    bert = str(tiny.folder(tmp_path))
    data = {"train": ROWS, "test": ROWS[:3]}
    report = train(
        model={"encoder": bert, "decoder": bert},
        task={"sequence_to_sequence": {"max_target_length": 4, "kind": "summary"}},
        data=data,
        training={"steps": 2, "batch_size": 6, "precision": "float32"},
        runs=tmp_path / "runs",
    )
    assert math.isfinite(report.scores["tuned"]["rouge_l"])
    assert set(report.scores["baselines"]) == {"first_sentence"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"source": "", "target": "x"}, "the text is empty"),
        ({"source": "x", "target": " "}, "there is nothing to write"),
        ({"source": 3, "target": "x"}, "3 is no text"),
        ({"source": "x", "target": [["y"]]}, "is no text, nor a list of texts"),
    ],
)
def test_bad_rows(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        SequenceToSequence().read(row)


def test_a_template_that_no_column_fills() -> None:
    task = SequenceToSequence(template="{target_language}: {source}")
    with pytest.raises(InputError, match=r"\{target_language\}, and no column is known as that. Say which: data.columns"):
        task.learn(ROWS)
    with pytest.raises(RowError, match="the template needs the target_language"):
        task.read(ROWS[0])
    assert task.read({**ROWS[0], "target_language": "fr"})["target_language"] == "fr"


def test_settings_that_do_not_go_together() -> None:
    with pytest.raises(InputError, match="does not say where the source goes"):
        SequenceToSequence(template="summarize")
    with pytest.raises(InputError, match="length_penalty is read in a beam search alone"):
        SequenceToSequence(length_penalty=2.0)


@pytest.mark.parametrize(("kind", "names"), [("summary", "rouge_l"), ("translation", "chrf"), ("answer", "f1")])
def test_what_decides_follows_the_kind(kind: str, names: str) -> None:
    task = SequenceToSequence(kind=kind)
    assert task.primary == names
    rows = [{"source": "x", "target": ["a good film", "fine"]}]
    best = task.metrics([{"text": "fine"}], rows)
    assert best[names] in (pytest.approx(1.0), pytest.approx(100.0))
    assert task.correct([{"text": "fine"}], rows) == [pytest.approx(1.0)]
    assert task.correct([{"text": ""}], rows) == [0.0]
    assert task.shown(rows[0], {"text": "fine"}) == {"text": "x", "predicted": "fine", "truth": "fine"}
    assert task.shown(rows[0], {"text": "no"})["truth"] == "a good film"


def test_the_number_of_tokens_cut_is_known(tmp_path: Path) -> None:
    task = SequenceToSequence(max_source_length=500)
    model = build_for(task, str(tiny.folder(tmp_path, "bart")))
    task.kind = "summary"
    [item] = task.encode([task.read({"source": "good " * 90, "target": "yes"})], model.tokenizer)
    assert item["truncated"] == 92 - 64


def test_a_source_beside_questions_says_where_they_come_from() -> None:
    columns = SequenceToSequence().columns()
    assert find(columns, ["id", "question", "answers", "source"]) == {"source": "question", "target": "answers"}
    assert find(columns, ["source", "target"]) == {"source": "source", "target": "target"}
