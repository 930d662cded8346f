"""What a model's folder holds, and all the ways in which it does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.files import base_of, card, read_json, weights_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.folder(tmp_path)


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        weights_in(folder)
    return str(caught.value)


def test_a_whole_folder(folder: Path) -> None:
    assert weights_in(folder) == folder


def test_an_empty_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"{tmp_path}: The folder holds no weights: neither model.safetensors nor a .gguf file. Name a folder that save_pretrained wrote."
    )


def test_everything_that_is_wrong_is_said_at_once(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    problems = refusal(folder).splitlines()
    assert len(problems) == 2
    assert "cannot be read" in problems[0]
    assert "no config.json" in problems[1]


def test_a_pointer_that_git_left(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    assert "Git LFS pointer, not the weights. Run: git lfs pull." in refusal(folder)


def test_weights_in_several_files(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    tiny.base().save_pretrained(folder, max_shard_size="50KB")
    assert weights_in(folder) == folder
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2
    for shard in shards[:2]:
        shard.unlink()
    assert [line.partition(":")[0] for line in refusal(folder).splitlines()] == [str(shard) for shard in shards[:2]]


def test_a_pickle_is_refused_and_the_remedy_works(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    text = refusal(folder)
    assert "The weights are a pickle (pytorch_model.bin), which can run code when it is read." in text
    code = text.partition('python -c "')[2].rpartition('"')[0]
    exec(code)
    assert weights_in(folder) == folder
    assert load_file(folder / "model.safetensors").keys() == weights.keys()


def test_one_gguf_file_is_the_model_and_two_are_a_question(tmp_path: Path) -> None:
    (tmp_path / "small.gguf").touch()
    assert weights_in(tmp_path) == tmp_path / "small.gguf"
    (tmp_path / "large.gguf").touch()
    assert f"2 .gguf files. Name one: {tmp_path / 'large.gguf'}, {tmp_path / 'small.gguf'}." in refusal(tmp_path)


def test_the_base_of_an_adapter(folder: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    with pytest.raises(InputError, match=r"adapter_model\.safetensors: The file is missing"):
        base_of(adapter)
    shutil.copy(folder / "model.safetensors", adapter / "adapter_model.safetensors")
    assert base_of(adapter) == "org/base"
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="Fill in base_model_name_or_path"):
        base_of(adapter)


def test_what_cards_say(tmp_path: Path) -> None:
    assert card(tmp_path) == ("", "")
    (tmp_path / "README.md").write_text("# No front matter\nlicense: mit\n")
    assert card(tmp_path) == ("", "")
    (tmp_path / "README.md").write_text("---\nlanguage:\n- en\nlicense: mit\ntags: [x]\n---\nlicense: other\n")
    assert card(tmp_path) == ("mit", "")
    (tmp_path / "meta.json").write_text(json.dumps({"licence": "Apache-2.0", "origin": "org/name"}))
    assert card(tmp_path) == ("Apache-2.0", "org/name")


def test_half_a_json_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": ')
    with pytest.raises(InputError, match=r"config\.json: The file is not JSON"):
        read_json(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("[1]")
    assert read_json(tmp_path / "config.json") == {}
