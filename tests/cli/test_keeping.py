"""Commands around the cache folder: samples, cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Command
from tunesmith.samples.catalogue import SAMPLES


def test_samples(tunesmith: Command, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(here / "cache"))
    done = tunesmith("samples")
    assert done.code == 0
    assert {name for name in SAMPLES if f"\n  {name} " in done.out} == set(SAMPLES)
    assert all(sample.licence in done.out for sample in SAMPLES.values())
    listed = tunesmith("samples", "--json").json
    assert [sample["name"] for sample in listed] == list(SAMPLES)
    assert not any(sample["fetched"] for sample in listed)


def test_samples_are_fetched(tunesmith: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.samples.fetch.fetch", lambda name, say: (say(f"Fetching {name}"), Path("/cache") / name)[1])
    done = tunesmith("samples", "minilm", "sample:sentiment")
    assert (done.code, done.out.split()) == (0, ["minilm", "/cache/minilm", "sample:sentiment", "/cache/sentiment"])
    assert done.err == "Fetching minilm\nFetching sentiment\n"
    assert tunesmith("samples", "minilm", "--json").json == {"minilm": "/cache/minilm"}


def test_the_cache_is_shown_and_cleared(tunesmith: Command, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(here / "cache"))
    for part, size in (("samples/minilm", 3_000), ("trunk", 1_500_000)):
        (here / "cache" / part).mkdir(parents=True)
        (here / "cache" / part / "file.bin").write_bytes(bytes(size))
    assert "2 MB" in tunesmith("cache").out
    assert {part: facts["bytes"] for part, facts in tunesmith("cache", "--json").json.items()} == {
        "samples": 3_000,
        "trunk": 1_500_000,
        "tokens": 0,
        "rewordings": 0,
        "checkpoints": 0,
    }
    assert "removed" in tunesmith("cache", "trunk", "--clear").out
    assert sorted(path.name for path in (here / "cache").iterdir()) == ["samples"]
    done = tunesmith("cache", "models")
    assert (done.code, done.err) == (2, "the cache has no part 'models'. Name samples, tokens, trunk, rewordings, checkpoints.\n")


def test_checkpoints_of_finished_runs_are_removed_when_they_are_named(
    tunesmith: Command, monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(here / "cache"))
    runs = here / "runs"
    for run in ("finished", "finished/seed-0", "ablation/all", "unfinished", "unfinished/1-first"):
        (runs / run / "checkpoints/step-00000004").mkdir(parents=True)
        (runs / run / "checkpoints/step-00000004/state.safetensors").write_bytes(bytes(2_000))
        (runs / run / "recipe.yaml").write_text("")
    for run in ("finished", "finished/seed-0", "ablation/all", "unfinished/1-first"):
        (runs / run / "scores.json").write_text("{}")
    assert tunesmith("cache", "--clear", "--json").json["checkpoints"] == {"folder": "runs", "files": 3, "bytes": 6_000, "removed": False}
    assert (runs / "finished/checkpoints").exists()
    assert "removed" in tunesmith("cache", "checkpoints", "--clear").out
    left = sorted(path.parent.relative_to(runs).as_posix() for path in runs.rglob("checkpoints"))
    assert left == ["unfinished", "unfinished/1-first"], "a run that goes on needs those of its parts"
