"""Exported models: outputs equal before and after, plain folders that load anywhere, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

import tiny
from runs import TRAINING, rows
from tunesmith import export, load, merging, train
from tunesmith.cli.app import run as command
from tunesmith.core.errors import InputError, IntegrityError
from tunesmith.model.quiet import quiet

TEXTS = [row["text"] for row in rows()[:6]]
STRATEGIES: dict[str, list[Any]] = {
    "lora": [{"lora": {"rank": 2}}],
    "dora": [{"lora": {"rank": 2, "dora": True}}],
    "pissa": [{"lora": {"rank": 2, "initialisation": "pissa"}}],
    "stabilised": [{"lora": {"rank": 4, "rank_stabilised": True}}],
    "ia3": [{"peft": {"kind": "ia3"}}],
    "vera": [{"peft": {"kind": "vera"}}],
    "adapter": [{"adapter": {"size": 4}}],
    "prompt": [{"prompt": {"tokens": 2}}],
    "whole": [],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a step or two for each entry of ``STRATEGIES``; the rows of one are in a file, those of the others were in memory."""
    folder = tmp_path_factory.mktemp("merging")
    model = str(tiny.folder(folder))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(16)), encoding="utf-8")
    for name, strategies in STRATEGIES.items():
        train(
            model=model,
            task="text_classification",
            data={"train": str(folder / "rows.jsonl") if name == "lora" else rows(16)},
            baselines=False,
            strategies=strategies,
            training={**TRAINING, "epochs": 1, "learning_rate": 3e-2},
            run=name,
            runs=folder / "runs",
        )
    return folder / "runs"


def probabilities(which: Path) -> torch.Tensor:
    return torch.tensor([list(found["probabilities"].values()) for found in load(which).predict(TEXTS)])


@pytest.mark.parametrize("name", ["lora", "dora", "pissa", "stabilised", "ia3", "vera"])
def test_an_adapter_becomes_a_plain_folder_with_the_same_answers(runs: Path, tmp_path: Path, name: str) -> None:
    done = export(name, tmp_path / "out", runs=runs)
    assert (done.form, done.adapters) == ("merged", 1)
    assert done.difference is not None
    assert done.difference.small
    assert done.tried == ("4 training rows" if name == "lora" else "made-up inputs, as the training rows cannot be read")
    with quiet():
        loaded, info = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info.values())
    assert loaded.config.id2label == {0: "bad", 1: "good"}
    torch.testing.assert_close(probabilities(tmp_path / "out"), probabilities(runs / name), atol=1e-5, rtol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not list((tmp_path / "out").glob("adapter*"))


def test_the_base_changed(runs: Path, tmp_path: Path) -> None:
    export("lora", tmp_path / "out", runs=runs)
    base, merged = load_file(runs.parent / "bert" / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    name = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(merged[f"bert.{name}"], base[name])


@pytest.mark.parametrize("name", ["lora", "prompt", "adapter"])
def test_an_adapter_can_leave_its_run(runs: Path, tmp_path: Path, name: str) -> None:
    assert export(name, tmp_path / "out", form="adapter", runs=runs).difference is None
    torch.testing.assert_close(probabilities(tmp_path / "out"), probabilities(runs / name))


def test_a_whole_model_is_copied(runs: Path, tmp_path: Path) -> None:
    assert export("whole", tmp_path / "out", runs=runs).form == "whole"
    weights = "model.safetensors"
    assert (tmp_path / "out" / weights).read_bytes() == (runs / "whole" / "model" / weights).read_bytes()
    torch.testing.assert_close(probabilities(tmp_path / "out"), probabilities(runs / "whole"))
    with pytest.raises(InputError, match="no adapter: its weights are whole"):
        export("whole", tmp_path / "other", form="adapter", runs=runs)


@pytest.mark.parametrize(
    ("name", "message"), [("adapter", "bottleneck adapters are not linear"), ("prompt", "prompt adds to what the model reads")]
)
def test_what_cannot_be_merged_is_refused(runs: Path, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=f"{message}.*--to adapter"):
        export(name, tmp_path / "out", runs=runs)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_and_folders_above_are_made(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "file").touch()
    for place, message in (("out", "is not overwritten"), ("file/such", "no folder can be made there")):
        with pytest.raises(InputError, match=message):
            export("lora", tmp_path / place, runs=runs)
    assert not list((tmp_path / "out").iterdir())
    assert export("lora", tmp_path / "new" / "er" / "out", form="adapter", runs=runs).folder.is_dir()


def test_other_outputs_are_refused_and_nothing_is_left(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = peft.tuners.lora.LoraModel.merge_and_unload

    def careless(model: Any, **settings: Any) -> Any:
        folded = fold(model, **settings)
        folded.classifier.weight.data.add_(0.1)
        return folded

    monkeypatch.setattr("peft.tuners.lora.LoraModel.merge_and_unload", careless)
    with pytest.raises(IntegrityError, match="puts out something else"):
        export("lora", tmp_path / "new" / "out", runs=runs)
    assert not list(tmp_path.iterdir())


def test_other_tasks_are_known_again(tmp_path: Path) -> None:
    tagged = [{"text": ["good", "film"], "tags": ["JJ", "NN"]}, {"text": ["the", "bad", "story"], "tags": ["DT", "JJ", "NN"]}] * 6
    model = str(tiny.folder(tmp_path))
    train(
        model=model,
        task="token_classification",
        data={"train": tagged, "validation": tagged},
        baselines=False,
        strategies=[{"lora": {"rank": 2}}],
        training={**TRAINING, "epochs": 1},
        run="tags",
        runs=tmp_path / "runs",
    )
    done = export("tags", runs=tmp_path / "runs")
    assert done.folder == tmp_path / "runs" / "tags" / "exported-merged"
    with quiet():
        _, info = AutoModelForTokenClassification.from_pretrained(done.folder, output_loading_info=True)
    assert not any(info.values())
    rows_asked = [{"text": ["the", "film"]}]
    found, expected = (load(which).predict(rows_asked)[0] for which in (done.folder, tmp_path / "runs" / "tags"))
    assert found["tags"] == expected["tags"]
    assert found["confidences"] == pytest.approx(expected["confidences"], abs=1e-4)
    (done.folder / "tunesmith.json").write_text('{"task": {"no_such_task": {}}}')
    with pytest.raises(InputError, match=r"tunesmith\.json: .*no_such_task"):
        load(done.folder)


def test_a_run_of_several_tasks_has_plain_models(runs: Path, tmp_path: Path) -> None:
    several = tmp_path / "runs" / "several"
    shutil.copytree(runs / "whole", several)
    (several / "model" / "films").mkdir()
    (several / "model" / "films" / "tunesmith.json").write_text("{}")
    with pytest.raises(InputError, match=r"has several tasks, and a plain model of each\. Copy .*model/films"):
        export(several, tmp_path / "out")


def test_the_command(runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    where = ["--runs", str(runs)]
    assert command(["export", "lora", "--out", str(tmp_path / "out"), "--json", *where]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["form"], told["adapters"], told["tried"]) == ("merged", 1, "4 training rows")
    assert 0 <= told["share"] < 1e-4
    assert command(["eval", str(tmp_path / "out"), "--data", str(runs.parent / "rows.jsonl"), "--json"]) == 0
    assert command(["predict", str(tmp_path / "out"), "--text", "a good film"]) == 0
    capfd.readouterr()
    assert command(["export", "whole", "--out", str(tmp_path / "copy"), *where]) == 0
    assert "whole already, and is copied" in capfd.readouterr().err
    wrong = (["lora", "--how", "ties"], ["lora", "--with", "dora", "--weights", "a,b"], ["nothing"], ["prompt"], ["lora", "--to", "gguf"])
    for arguments in wrong:
        assert command(["export", *arguments, "--out", str(tmp_path / "no"), *where]) == 2
        assert len(capfd.readouterr().err.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"out", "copy"}


def test_all_forms_are_offered() -> None:
    from tunesmith.cli.exporting import export as exporting

    offered = {param.name: getattr(param.type, "choices", None) for param in exporting.params}
    assert tuple(offered["form"] or ()) == merging.FORMS
    assert tuple(offered["how"] or ()) == tuple(merging.composing.WAYS)
