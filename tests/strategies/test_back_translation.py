"""Back-translation: through two models, and languages that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tiny
from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.strategies.back_translation import BackTranslation


def translator(path: Path, source: str, target: str) -> str:
    folder = tiny.writer(path)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"source_lang": source, "target_lang": target}))
    return str(folder)


@pytest.fixture
def run(said: list[str]) -> Run:
    run = tiny_fit(None, steps=1).run
    run.say = said.append
    return run


def test_texts_go_there_and_back(run: Run, said: list[str], tmp_path: Path) -> None:
    there, back = translator(tmp_path / "there", "en", "de"), translator(tmp_path / "back", "deu", "eng")
    strategy = BackTranslation(there=there, back=back, share=1.0, stretch=50.0)
    strategy.begin(run)
    assert said[0] == f"back_translation: bart writes {len(run.train)} of {len(run.train)} rows anew"
    assert strategy._versions
    for number, [row] in strategy._versions.items():
        assert row["input_ids"][0] == tiny.CLS
        assert row["input_ids"] != run.train[number]["input_ids"]
        assert {**row, "input_ids": 0, "length": 0} == {**run.train[number], "input_ids": 0, "length": 0}
    writer = strategy.writer(run, ["a good film"])
    assert [author.spec for author in writer.authors] == [there, back]  # type: ignore[attr-defined]


def test_languages_that_do_not_fit_are_refused(run: Run, tmp_path: Path) -> None:
    there = translator(tmp_path / "there", "en", "de")
    for source, target, message in (("fr", "en", "there writes de and back reads fr"), ("de", "it", "there reads en and back writes it")):
        with pytest.raises(InputError, match=message):
            BackTranslation(there=there, back=translator(tmp_path / target, source, target)).writer(run, ["a film"])
    with pytest.raises(InputError, match="there reads en, and most texts are not in it"):
        BackTranslation(there=there, back=translator(tmp_path / "back", "de", "en")).writer(run, ["这部电影很好看"])
    chinese, home = translator(tmp_path / "zh", "zho", "eng"), translator(tmp_path / "home", "eng", "zho")
    with pytest.raises(InputError, match="there reads zho, and most texts are not in it"):
        BackTranslation(there=chinese, back=home).writer(run, ["a good film"])
    BackTranslation(there=chinese, back=home).writer(run, ["这部电影很好看"])


def test_a_decoder_must_be_told_to_translate(run: Run, tmp_path: Path) -> None:
    model = str(tiny.writer(tmp_path, "llama"))
    with pytest.raises(InputError, match="is a decoder, and is not told to translate"):
        BackTranslation(there=model, back=model).writer(run, ["a film"])
    asked = {"prompt_there": "Translate to German: {text}", "prompt_back": "Translate to English: {text}"}
    BackTranslation(there=model, back=model, **asked).writer(run, ["a film"])


def test_settings_that_cannot_do_are_refused() -> None:
    with pytest.raises(InputError, match="no model translates there"):
        BackTranslation()
    with pytest.raises(InputError, match="no model translates back"):
        BackTranslation(there="models/there")
    with pytest.raises(InputError, match="prompt_back 'translate' must have"):
        BackTranslation(there="a", back="b", prompt_back="translate")
