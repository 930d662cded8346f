"""What every task must do, found by file name: learn, repeat, resume bitwise, answer in JSON values, and save what loads anywhere."""

from __future__ import annotations

import io
import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import tiny
from training import TRAINING, same, weights
from tunesmith.cli.app import run
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.task import Prediction, Row, Task
from tunesmith.data.encode import Encoded
from tunesmith.data.examples import Examples
from tunesmith.data.kept import file_of
from tunesmith.data.source import read
from tunesmith.engine.checkpoint import Checkpoints
from tunesmith.engine.events import EventLog, read_events
from tunesmith.engine.loop import Fitted, fit
from tunesmith.evaluate.score import predict, scorer
from tunesmith.model.agreement import agreement
from tunesmith.model.build import Model, build_for
from tunesmith.model.save import save
from tunesmith.recipes.document import Document
from tunesmith.recipes.find import about, find, names
from tunesmith.recipes.validate import as_plain
from tunesmith.recipes.validate import build as from_settings
from tunesmith.tuned import Tuned

NAMES = names("tasks")
Predicted = Callable[..., tuple[int, str, str]]  # exit code, standard output and error of a command
# The tiny model of a task, by the class that holds it, where it is no BERT; a task whose model needs more than a family says so here.
FAMILY = {
    "AutoModelForCausalLM": "llama",
    "AutoModelForSeq2SeqLM": "bart",
    "AutoModelForImageClassification": "vit",
    "AutoModelForZeroShotImageClassification": "clip",
    "AutoModelForSpeechSeq2Seq": "whisper",
    "AutoModelForAudioClassification": "whisper",
}


@dataclass
class Bench:
    """A task that has learned from its example, and a tiny model for it."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        self.task, self.raw = find("tasks", self.name).example()
        self.notes = self.task.learn(self.raw)
        self.rows: list[Row] = [self.task.read(row) for row in self.raw]

    @cached_property
    def source(self) -> str:
        return str(tiny.folder(self.folder, FAMILY.get(self.task.head().auto, "bert")))

    def model(self) -> Model:
        """The same model at each call."""
        torch.manual_seed(0)
        return build_for(self.task, self.source)

    def fit(self, folder: Path | None = None, **changes: Any) -> Fitted:
        """Train on the example; a folder that holds checkpoints is resumed."""
        model, task = self.model(), self.task
        encoded = Encoded([task.encode(self.rows, model.tokenizer)])
        watch = [] if folder is None else [EventLog(folder / "events.jsonl", 1), Checkpoints(folder / "checkpoints", keep=9)]
        score = scorer(task, self.rows, encoded, model.tokenizer)
        return fit(model, task, encoded, [], replace(TRAINING, **changes), score, watch)

    def loss(self, model: Model, rows: Sequence[Row]) -> Loss:
        """The objective of some rows as one batch, without dropout."""
        encoded = Encoded([self.task.encode(rows, model.tokenizer)])
        batch = self.task.collate([encoded[row] for row in range(len(encoded))], model.tokenizer)
        with torch.no_grad():
            return self.task.objective(batch, Forward(model.module.eval()))

    def answers(self, model: Model, rows: Sequence[Row], tokens: int = 4096) -> list[Prediction]:
        """Predictions from batches of at most ``tokens`` positions."""
        encoded = Encoded([self.task.encode(rows, model.tokenizer)])
        return predict(Forward(model.module.eval()), encoded, self.task, model.tokenizer, tokens)


@pytest.fixture(scope="module", params=NAMES)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(request.param, tmp_path_factory.mktemp(request.param))


def test_the_loss_falls(bench: Bench) -> None:
    before = float(bench.loss(bench.model(), bench.rows).mean)
    fitted = bench.fit(**{"steps": 80, "learning_rate": 2e-3} if bench.task.compares else {"steps": 40})  # faster, all vectors become one
    after = float(bench.loss(fitted.model, bench.rows).mean)
    assert math.isfinite(before)
    assert after < 0.8 * before


def test_it_repeats_to_the_last_bit(bench: Bench) -> None:
    assert same(weights(bench.fit()), weights(bench.fit()))


def test_its_items_are_kept_between_runs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """But of files, whose content may change under the same name: nothing else that it holds hides what they depend on."""
    monkeypatch.setattr("tunesmith.data.kept.WORTH", 1)
    model = bench.model()
    examples = Examples(read(bench.raw)[0], bench.task)
    assert (file_of(examples, bench.task, model.tokenizer) is None) is any(column.file for column in bench.task.columns())


def test_it_resumes_to_the_last_bit(bench: Bench, tmp_path: Path) -> None:
    through = bench.fit(tmp_path / "through")
    at = "checkpoints/step-00000004"
    shutil.copytree(tmp_path / "through" / at, tmp_path / "resumed" / at)
    resumed = bench.fit(tmp_path / "resumed")
    assert read_events(tmp_path / "resumed/events.jsonl")[0]["step"] == 5
    assert same(weights(resumed), weights(through))


def test_losses_add_up(bench: Bench) -> None:
    """A loss is a sum over what counts: that of a batch is that of its rows, unless they are compared with each other."""
    model = bench.model()
    whole, parts = bench.loss(model, bench.rows), [bench.loss(model, [row]) for row in bench.rows]
    assert whole.count == pytest.approx(sum(part.count for part in parts))
    assert (float(whole.sum) == pytest.approx(sum(float(part.sum) for part in parts), rel=1e-4)) is not bench.task.compares
    assert whole.sum.dtype == torch.float32
    if "logits" in bench.task.offers:
        assert whole.logits is not None
        assert whole.targets is not None
        assert len(whole.logits) == len(whole.targets)


def test_answers_are_json_values_one_for_each_row(bench: Bench) -> None:
    task: Task = bench.task
    found = bench.answers(bench.model(), bench.rows)
    assert len(found) == len(bench.rows)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    correct = task.correct(found, bench.rows)
    assert len(correct) == len(found)
    assert all(math.isfinite(value) and value <= 1 for value in correct)
    for row, prediction in zip(bench.rows, found, strict=True):
        shown = task.shown(row, prediction)
        assert shown.keys() >= {"text", "predicted", "truth"}
        assert json.loads(json.dumps(shown, allow_nan=False)) == shown


def test_what_decides_is_among_the_scores(bench: Bench) -> None:
    scores = bench.task.metrics(bench.answers(bench.model(), bench.rows), bench.rows)
    assert isinstance(scores[bench.task.primary], float)
    assert isinstance(bench.task.higher_is_better, bool)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_an_answer_does_not_depend_on_what_is_answered_beside_it(bench: Bench) -> None:
    model = bench.model()
    together, alone = (bench.answers(model, bench.rows, tokens) for tokens in (4096, 1))
    assert together == about_the_same(alone)


def about_the_same(value: Any) -> Any:
    """Nested values whose numbers compare to 1e-5."""
    if isinstance(value, dict):
        return {key: about_the_same(item) for key, item in value.items()}
    if isinstance(value, list):
        return [about_the_same(item) for item in value]
    return pytest.approx(value, abs=1e-5) if isinstance(value, float) else value


def test_rows_without_the_truth_can_be_answered(bench: Bench) -> None:
    truths = {column.role for column in bench.task.columns() if column.truth}
    assert truths or type(bench.task).asked is not Task.asked
    known = [{role: value for role, value in row.items() if role not in truths} for row in bench.raw]
    asked = [bench.task.asked(bench.task.read(row)) for row in known]
    model = bench.model()
    assert bench.answers(model, asked) == bench.answers(model, [bench.task.asked(row) for row in bench.rows])
    assert "truth" not in bench.task.shown(asked[0], bench.answers(model, asked)[0])


@pytest.fixture
def predicted(bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Predicted:
    """Carry out ``tunesmith predict`` with a model of the task."""
    tuned = Tuned(bench.model(), bench.task, {}, {}, "float32")
    monkeypatch.setattr("tunesmith.tuned.load", lambda *_, **__: tuned)

    def command(*arguments: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        capfd.readouterr()
        return run(["predict", "it", *arguments]), *capfd.readouterr()

    return command


def test_a_text_is_answered_or_refused_in_a_line(bench: Bench, predicted: Predicted) -> None:
    first, *more = bench.task.asked_by()
    code, out, err = predicted("--text", "a good film")
    if more or first.file:
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert first.role in err
    else:
        assert code == 0
        assert "a good film" in out
        assert out.replace("a good film", "", 1).strip()
        assert len(predicted("-", given="a good film\n\na bad film\n")[1].splitlines()) == 2


def test_rows_in_json_lines_are_answered_under_their_ids(bench: Bench, predicted: Predicted, tmp_path: Path) -> None:
    columns = bench.task.asked_by()
    rows: list[Row] = []
    for number, (raw, known) in enumerate(zip(bench.raw, bench.rows, strict=True)):
        row = {column.role: raw[column.role] for column in columns if column.role in raw}
        for column in columns:
            if column.file:
                row[column.role] = str(tmp_path / f"{number}.medium")
                Path(row[column.role]).write_bytes(known[column.role])
        rows.append({"id": f"row-{number}", **row})
    code, out, err = predicted("-", given="".join(json.dumps(row) + "\n" for row in rows))
    assert (code, err) == (0, "")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [row["id"] for row in rows]
    if columns[0].file:
        code, one, err = predicted(rows[0][columns[0].role])
        assert (code, err) == (0, "")
        assert {"id": "row-0", **json.loads(one)} == about_the_same(json.loads(out.splitlines()[0]))


def test_the_example_has_what_the_columns_say(bench: Bench) -> None:
    columns = {column.role: column for column in bench.task.columns()}
    for row in bench.raw:
        assert row.keys() <= columns.keys()
        assert {role for role, column in columns.items() if column.required} <= row.keys()


def test_the_model_loads_anywhere(bench: Bench, tmp_path: Path) -> None:
    fitted = bench.fit(steps=1)
    save(fitted.model, tmp_path)
    auto = getattr(transformers, bench.task.head().auto)
    loaded, info = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    again = Model(loaded, fitted.model.tokenizer, fitted.model.source, "", ())
    assert bench.answers(again, bench.rows) == about_the_same(bench.answers(fitted.model, bench.rows))  # memory lies elsewhere


def test_what_it_learned_is_written_down(bench: Bench) -> None:
    """A task made of its settings alone answers like the one that saw the training rows."""
    kind = type(bench.task)
    assert bench.notes
    document = Document({})
    again = from_settings(kind, as_plain(bench.task), document, ("task",))
    assert document.problems == []
    assert again == bench.task
    assert [again.read(row) for row in bench.raw] == bench.rows
    assert again.head() == bench.task.head()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_documented(name: str) -> None:
    assert about("tasks", name).endswith(".")
    kind = find("tasks", name)
    assert all(field.metadata.get("text") for field in fields(kind))
    assert all(column.names for column in kind.example()[0].columns())


def test_each_row_has_a_gradient_by_which_rows_are_selected(bench: Bench) -> None:
    model = bench.model()
    items = Encoded([bench.task.encode(bench.rows, model.tokenizer)])
    first = [item for item in items if item["row"] == 0]
    if not bench.task.compares:
        assert agreement(items, first, bench.task, Forward(model.module), model.tokenizer)[0] == pytest.approx(1, abs=1e-5)


def test_the_metric_that_decides_has_an_interval(bench: Bench) -> None:
    """It is the mean of what ``correct`` returns, or known of any rows."""
    answers = bench.answers(bench.model(), bench.rows)
    primary, over = bench.task.primary, bench.task.over(answers, bench.rows)
    if over is None:
        mean = np.mean(bench.task.correct(answers, bench.rows))
        assert abs(mean) == pytest.approx(abs(bench.task.metrics(answers, bench.rows)[primary]))
        return
    for chosen in (list(range(len(answers))), [0, 0, 2, 5, 3]):
        expected = bench.task.metrics([answers[row] for row in chosen], [bench.rows[row] for row in chosen])
        assert over(np.array(chosen)) == pytest.approx(expected.get(primary, math.nan), nan_ok=True)
