"""Every way to name a model, and every way to name it wrongly."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model

import tiny
from tunesmith.core.errors import InputError, ResourceError
from tunesmith.core.task import Head
from tunesmith.model.build import build
from tunesmith.model.save import save
from tunesmith.model.sources import resolve

CLASSIFIER = Head("AutoModelForSequenceClassification", {"num_labels": 2})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.folder(tmp_path)


def refusal(spec: str) -> str:
    with pytest.raises((InputError, ResourceError)) as caught:
        resolve(spec)
    return str(caught.value)


def test_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = resolve(str(folder))
    assert (source.kind, source.path, source.name, source.base_model) == ("folder", folder, "bert", "bert")
    monkeypatch.chdir(folder)
    assert resolve(".").name == "bert"
    monkeypatch.chdir(folder.parent)
    assert resolve("bert").kind == "folder"


def test_a_run_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    place = folder.parent / "runs" / "mine"
    shutil.copytree(folder, place / "model")
    (place / "recipe.resolved.yaml").touch()
    source = resolve("mine")
    assert (source.kind, source.path, source.name) == ("run", Path("runs/mine/model"), "mine")


def test_a_folder_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert resolve("~/bert").path == folder


@pytest.mark.parametrize("wrong", ["{}/brt", "{}/brt/model", "{}/bret/very/deep"])
def test_a_folder_that_is_not_there(folder: Path, wrong: str) -> None:
    assert refusal(wrong.format(folder.parent)).endswith(f"Did you mean {folder}?")


def test_a_relative_folder_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert refusal("./bret").endswith(f"Did you mean {folder}?")
    assert refusal("brt").endswith(f"Did you mean {folder}?")  # it might have been a hub id


def test_a_file_of_weights_is_not_a_model(folder: Path) -> None:
    assert refusal(str(folder / "model.safetensors")).endswith(f"is not a .gguf file. Name the folder that holds it: {folder}.")


def test_a_gguf_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "SmolLM2.Q4_1.gguf").touch()
    assert refusal(f"{tmp_path}/SmolLM2.Q4.gguf") == (
        f"There is no file {tmp_path}/SmolLM2.Q4.gguf. Did you mean {tmp_path}/SmolLM2.Q4_1.gguf?"
    )


def test_no_name_at_all() -> None:
    assert refusal("").startswith("No model is named. Name a folder")


def test_a_run(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    (run / "recipe.resolved.yaml").touch()
    assert "The run first has no model yet. Finish it with `tunesmith resume" in refusal(str(run))
    shutil.copytree(folder, run / "model")
    source = resolve(str(run))
    assert (source.kind, source.path, source.name) == ("run", run / "model", "first")


@pytest.fixture
def package(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with weights, whose code must not run."""
    place = tmp_path / "site" / "weights_inside"
    shutil.copytree(folder, place / "data" / "bert")
    (place / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return place


def test_a_package(package: Path) -> None:
    source = resolve("package:weights_inside/data/bert")
    assert (source.kind, source.path, source.name) == ("package", package / "data" / "bert", "bert")
    assert "weights_inside" not in sys.modules


def test_a_package_without_such_a_path(package: Path) -> None:
    assert refusal("package:weights_inside/dta/bert") == (f"The package 'weights_inside' has no dta/bert. Did you mean {package / 'data'}?")


@pytest.mark.parametrize("name", ["not_installed", "not-a-name", "", "json.decoder", "this"])
def test_a_package_that_is_not_there_or_holds_no_files(name: str) -> None:
    assert f"There is no installed package '{name}'" in refusal(f"package:{name}/model")


def test_a_package_under_its_own_name(package: Path) -> None:
    assert refusal("weights_inside:weights_inside/data/bert").endswith("Write package:weights_inside/data/bert.")
    assert refusal("weights_inside:data/bert").endswith("Write package:weights_inside/data/bert.")


def test_a_sample(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.samples import fetch

    monkeypatch.setattr(fetch, "fetch", lambda name, say: folder)
    source = resolve("sample:minilm")
    assert (source.kind, source.path, source.name) == ("sample", folder, "all-MiniLM-L6-v2")


def test_a_sample_that_does_not_exist_or_is_data() -> None:
    assert refusal("sample:minilmm") == "There is no sample 'minilmm'. Did you mean 'minilm'? There are: minilm, smollm2."
    assert refusal("sample:sentiment").startswith(
        "sample:sentiment is a data set, not a model. Name a model: sample:minilm, sample:smollm2"
    )


@pytest.mark.parametrize("name", ["sentence-transformers/all-MiniLM-L6-v2", "all-minilm-l6-v2", "minilm-l6"])
def test_a_hub_model_that_is_a_sample_too(name: str) -> None:
    assert refusal(name).endswith("hub cannot be reached. Did you mean sample:minilm?")


def test_a_hub_model_that_is_like_nothing_here() -> None:
    assert "Name a folder, or a sample: sample:minilm, sample:smollm2" in refusal("zzz/qqq@v2")


def test_what_cannot_be_a_name() -> None:
    assert refusal("what is this?").startswith("There is no folder what is this?")


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_an_adapter_on_its_base(folder: Path, tmp_path: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    model = build(str(folder), CLASSIFIER)
    model.module = get_peft_model(model.module, LoraConfig(r=2, target_modules=["query"]))
    adapter = tmp_path / "adapter"
    save(model, adapter)
    source = resolve(str(adapter))
    assert (source.path, source.adapter, source.name, source.licence, source.base_model) == (folder, adapter, "adapter", "mit", "bert")

    second = tmp_path / "second"
    shutil.copytree(adapter, second)
    config = second / "adapter_config.json"
    config.write_text(config.read_text().replace(str(folder), str(adapter)))
    assert "base is an adapter too" in refusal(str(second))

    folder.rename(tmp_path / "moved")
    lines = refusal(str(adapter)).splitlines()
    assert f"The adapter's base model '{folder}' cannot be had. Correct base_model_name_or_path." in lines[0]
    assert lines[1].startswith(f"There is no folder {folder}")
