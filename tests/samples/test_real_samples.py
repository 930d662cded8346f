"""The real packages from the real registries: run by make test-slow, where there is a network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tunesmith.samples.catalogue import SAMPLES
from tunesmith.samples.fetch import fetch
from tunesmith.samples.split import plain

pytestmark = pytest.mark.slow

TEXTS = {  # the columns that make a row what it is
    "pairs": ("sentence1", "sentence2"),
    "questions": ("context", "question"),
    "choices": ("context", "question"),
    "medicine": ("question",),
    "trivia": ("question",),
    "summaries": ("source",),
    "addresses": ("tokens",),
    "tool_calls": ("messages",),
    "preferences": ("prompt",),
}


def rows_of(folder: Path) -> dict[str, list[dict[str, object]]]:
    return {path.stem: [json.loads(line) for line in path.read_text("utf-8").split("\n") if line] for path in folder.glob("*.jsonl")}


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.kind == "data" and sample.form != "lists"])
def test_a_data_set_has_the_rows_that_the_catalogue_says_and_none_twice(name: str) -> None:
    splits = rows_of(fetch(name))
    assert {split: len(rows) for split, rows in splits.items()} == SAMPLES[name].rows
    texts = {
        split: {plain(json.dumps([row[column] for column in TEXTS.get(name, ("text",))])) for row in rows} for split, rows in splits.items()
    }
    assert len(set().union(*texts.values())) == sum(map(len, texts.values()))


@pytest.mark.skipif(not shutil.which("apt-get"), reason="this machine has no apt-get")
def test_topics_have_their_sections_and_share_no_text() -> None:
    """The archive moves, so its counts are near those of the catalogue, not equal to them."""
    splits = rows_of(fetch("topics"))
    known = SAMPLES["topics"].rows
    assert splits.keys() == known.keys()
    assert all(abs(len(rows) - known[split]) < 0.3 * known[split] for split, rows in splits.items())
    assert all(len({row["label"] for row in rows}) == 20 for rows in splits.values())
    train, test = ({plain(str(row["text"])) for row in splits[split]} for split in ("train", "test"))
    assert not train & test


def test_minilm_is_a_model_folder() -> None:
    folder = fetch("minilm")
    assert json.loads((folder / "config.json").read_text())["hidden_size"] == 384
    assert (folder / "model.safetensors").stat().st_size == 90_868_376
    assert (folder / "tokenizer.json").exists()
    assert not list(folder.glob(".*"))


def test_smollm2_is_one_gguf_file() -> None:
    (weights,) = fetch("smollm2").glob("*.gguf")
    with weights.open("rb") as file:
        assert file.read(4) == b"GGUF"
