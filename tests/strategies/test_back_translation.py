"""Back-translation: through two models, and languages that do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tiny
from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.model.generate import generate
from tunesmith.model.tokenizer import load_tokenizer
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


@pytest.mark.parametrize(("family", "names"), [("nllb", ["eng_Latn", "fra_Latn"]), ("mbart50", ["en_XX", "fr_XX"])])
def test_a_model_of_many_languages_goes_there_and_back(family: str, names: list[str], run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    asked: list[tuple[int, int]] = []

    def spy(module: Any, tokenizer: Any, prompts: Any, *others: Any) -> Any:
        answers = generate(module, tokenizer, prompts, *others)
        asked.extend({(prompt[0], answer[0]) for prompt, answer in zip(prompts, answers, strict=True)})
        return answers

    monkeypatch.setattr("tunesmith.model.writer.generate", spy)
    model = str(tiny.translator(tmp_path, family))
    strategy = BackTranslation(there=model, back=model, languages=names, share=1.0, stretch=50.0)
    strategy.begin(run)
    one, other = load_tokenizer(Path(model)).convert_tokens_to_ids(names)
    assert asked == [(one, other), (other, one)]
    assert strategy._versions


def test_languages_are_for_models_of_many(run: Run, tmp_path: Path) -> None:
    model = str(tiny.translator(tmp_path, "nllb"))
    with pytest.raises(InputError, match=r"there: .* translates many languages, and is not told which"):
        BackTranslation(there=model, back=model).writer(run, ["a film"])
    with pytest.raises(InputError, match=r"none is called 'fr'.*Nearest: fra_Latn"):
        BackTranslation(there=model, back=model, languages=["eng_Latn", "fr"]).writer(run, ["a film"])
    with pytest.raises(InputError, match="there reads zho_Hans, and most texts are not in it"):
        BackTranslation(there=model, back=model, languages=["zho_Hans", "eng_Latn"]).writer(run, ["a film"])
    two = translator(tmp_path / "two", "en", "de"), translator(tmp_path / "home", "de", "en")
    with pytest.raises(InputError, match="languages is for models of many languages"):
        BackTranslation(there=two[0], back=two[1], languages=["en", "de"]).writer(run, ["a film"])
    with pytest.raises(InputError, match="languages names en"):
        BackTranslation(there="a", back="b", languages=["en"])


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
