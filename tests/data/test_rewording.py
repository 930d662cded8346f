"""Texts in other words: texts of rows and back, what is left out, and that nothing is written twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

import tiny
from training import encoded, tiny_fit
from tunesmith.core.errors import InputError, ResourceError
from tunesmith.core.run import Run
from tunesmith.data.rewording import Cut, Rewording, check_prompt, is_wide, kept_in, prompt_ids, refused, size
from tunesmith.tasks.text_classification import TextClassification


@dataclass
class Scribe:
    """Writes what it is told, or words that depend on text and seed; counts what it was asked."""

    told: str = ""
    key: str = "scribe"
    name: str = "a scribe"
    cosines: list[float] = field(default_factory=list)
    asked: int = 0

    def write(self, texts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        self.asked += len(texts)
        digests = [hashlib.sha256(f"{text} {seed}".encode()).digest() for text, seed in zip(texts, seeds, strict=True)]
        return [self.told or " ".join(tiny.WORDS[byte % 60] for byte in digest[:5]) for digest in digests]

    def likeness(self, run: Run, rows: Any, others: Any) -> list[float]:
        return (self.cosines * len(rows))[: len(rows)]


@dataclass
class Rewritten(Rewording):
    def writer(self, run: Run, texts: Sequence[str]) -> Any:
        return self._scribe

    def by(self, scribe: Scribe) -> Rewritten:
        self._scribe = scribe
        return self


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run of tiny_fit, with a cache folder of its own."""
    run = tiny_fit(None, steps=1).run
    run.say = said.append
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    return run


def met(strategy: Rewritten, run: Run) -> list[list[int]]:
    return [row["input_ids"] for row in next(strategy.feed(repeat([run.train[i] for i in range(len(run.train))]), run))]


def test_texts_of_rows_and_back() -> None:
    cut = Cut(tiny.tokenizer(), 16)
    row, _ = encoded(TextClassification(), [{"text": "a good film", "label": "good"}, {"text": "a dog", "label": "bad"}])[:]
    assert cut.texts(row) == ["a good film"]
    assert cut.encoded(row, ["a good film"]) == row
    assert cut.encoded(row, ["very good"])["input_ids"] == tiny.tokenizer()("very good")["input_ids"]
    assert cut.encoded(row, ["very " * 40])["length"] == 16
    given = [{"text": "a good film", "text_pair": "a bad day", "label": label} for label in ("good", "bad")]
    pair, _ = encoded(TextClassification(), given)[:]
    assert cut.texts(pair) == ["a good film", "a bad day"]
    assert cut.encoded(pair, ["a good film", "a bad day"]) == pair
    chinese = {**row, "input_ids": tiny.tokenizer()("这部电影很好看")["input_ids"]}
    assert cut.texts(chinese) == ["这部电影很好看"]
    assert cut.texts({**row, "input_ids": [tiny.CLS, tiny.SEP]}) == []
    assert cut.texts({**row, "input_ids": [tiny.CLS, 9, tiny.SEP, 9, tiny.SEP, 9, tiny.SEP]}) == []


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("a good film", "a fine movie", ""),
        ("a good film", "A good film!", "the same"),
        ("a good film", " ?", "empty or without an end"),
        ("a good film", "a film that is so very good", "too long"),
        ("a film that is so very good", "good film", "too short"),
        ("a good film", "这部电影很好看", "in another script"),
        ("这部电影很好看", "我很喜欢这部片", ""),
        ("这部电影很好看", "好看", "too short"),
    ],
)
def test_what_cannot_stand_for_a_text(before: str, after: str, why: str) -> None:
    assert refused([before], [after], 2.0) == why


def test_a_pair_is_left_out_where_one_text_is_unfit_and_kept_where_one_stays() -> None:
    assert refused(["a film", "a day"], ["a film", ""], 2.0) == "empty or without an end"
    assert refused(["a film", "a day"], ["a film", "the day"], 2.0) == ""
    assert refused(["a film", "a day"], ["A film", "a day."], 2.0) == "the same"


def test_sizes_and_scripts() -> None:
    assert size("a good film") == 3
    assert size("很好 film") == 3
    assert is_wide("很好看 film")
    assert not is_wide("a good film 好")


def test_prompts_need_a_place_for_the_text() -> None:
    check_prompt("paraphrase: {text}", "prompt")
    for wrong in ("paraphrase", "{text} {label}", "{text"):
        with pytest.raises(InputError):
            check_prompt(wrong, "prompt")


def test_a_prompt_ends_for_an_encoder_and_goes_on_for_a_decoder() -> None:
    tokenizer = tiny.tokenizer()
    whole = tokenizer("very good film")["input_ids"]
    assert prompt_ids("very {text}", tokenizer, "encoder_decoder", ["good film"], 9) == [whole]
    assert prompt_ids("very {text}", tokenizer, "decoder", ["good film"], 9) == [whole[:-1]]


def test_rows_are_met_as_they_were_or_anew_by_share(run: Run, said: list[str]) -> None:
    strategy = Rewritten(share=1.0, stretch=9.0, num_versions=2).by(Scribe())
    strategy.begin(run)
    given = [row["input_ids"] for row in run.train]
    seen = []
    for step in range(60):
        run.clock = run.clock.at(step)
        seen += [new != old for new, old in zip(met(strategy, run), given, strict=True)]
    assert sum(seen) / len(seen) == pytest.approx(2 / 3, abs=0.05)
    assert said[0] == f"test_rewording: a scribe writes {len(given)} of {len(given)} rows anew"
    assert said[1] == f"test_rewording: {2 * len(given)} of {2 * len(given)} are kept"
    assert len(said) == 2 + 10
    assert "' becomes '" in said[2]
    none = Rewritten(share=0.0).by(Scribe())
    none.begin(run)
    assert met(none, run) == given


def test_the_share_of_rows_is_drawn_once(run: Run) -> None:
    scribe = Scribe()
    Rewritten(share=0.5, stretch=9.0).by(scribe).begin(run)
    assert 0 < scribe.asked < len(run.train)


def test_nothing_is_written_twice_and_others_have_other_files(run: Run, tmp_path: Path) -> None:
    scribe = Scribe()
    first, again = (Rewritten(share=1.0, stretch=9.0).by(scribe) for _ in range(2))
    first.begin(run)
    asked = scribe.asked
    again.begin(run)
    assert (scribe.asked, again._versions) == (asked, first._versions)
    assert len(list((tmp_path / "cache/rewordings").glob("*.json"))) == 1
    for change in ({"temperature": 0.3}, {"num_versions": 2}):
        Rewritten(share=1.0, stretch=9.0, **change).by(scribe).begin(run)  # type: ignore[arg-type]
    run.seed = 5
    Rewritten(share=1.0, stretch=9.0).by(scribe).begin(run)
    Rewritten(share=1.0, stretch=9.0).by(Scribe(key="another")).begin(run)
    assert len(list((tmp_path / "cache/rewordings").iterdir())) == 5


def test_what_is_left_out_is_counted(run: Run, said: list[str]) -> None:
    Rewritten(share=1.0).by(Scribe(told="?")).begin(run)
    assert said[1:] == [
        f"test_rewording: 0 of {len(run.train)} are kept; left out: {len(run.train)} empty or without an end",
        "test_rewording: so it does nothing; look at the model and its prompt, or raise stretch",
    ]
    said.clear()
    Rewritten(share=1.0, stretch=9.0, keep=0.5).by(Scribe(key="near", cosines=[0.4, 0.6])).begin(run)
    half = len(run.train) // 2
    assert said[1] == f"test_rewording: {half} of {len(run.train)} are kept; left out: {half} unlike the text"


def test_versions_of_a_row_that_are_equal_count_once(run: Run) -> None:
    strategy = Rewritten(share=1.0, stretch=9.0, num_versions=3).by(Scribe(told="a song by a woman"))
    strategy.begin(run)
    assert {len(versions) for versions in strategy._versions.values()} == {1}
    with pytest.raises(InputError, match="at temperature 0 all versions"):
        Rewritten(num_versions=2, temperature=0.0)


def test_what_is_kept_in_a_file_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file.json"
    assert kept_in(file, lambda: [1]) == [1]
    assert kept_in(file, lambda: [2]) == [1]
    assert [path.name for path in file.parent.iterdir()] == ["file.json"]

    def slower() -> list[int]:
        (tmp_path / "other.json").write_text("[3]", encoding="utf-8")
        return [4]

    assert kept_in(tmp_path / "other.json", slower) == [3]  # another process was first
    with pytest.raises(ResourceError, match="cannot be written"):
        kept_in(file / "below.json", lambda: [1])
