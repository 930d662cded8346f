"""From a data file to a recipe: the model fits task and language, the cost keeps within the limits, and the recipe can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tunesmith import advising
from tunesmith.advising import Limits, Recommendation, Speed, limits_of, measured, recommend
from tunesmith.core.errors import InputError
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import read_recipe


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine of a known speed, with nothing in its caches."""
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(advising, "measured", lambda: Speed(1e11, "bfloat16", 2))


def reviews(number: int, text: str = "this is review number {}", labels: tuple[str, str] = ("good", "bad")) -> list[dict[str, Any]]:
    return [{"text": text.format(i), "label": labels[i % 2]} for i in range(number)]


def recommended(folder: Path, rows: list[dict[str, Any]], limits: Limits | None = None, **asked: Any) -> Recommendation:
    """The advice for rows in a file; its recipe is written beside them, and read."""
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    found = recommend("rows.jsonl", limits or Limits(1e11), base=folder, **asked)
    (folder / "recipe.yaml").write_text(found.recipe, encoding="utf-8")
    recipe = read_recipe(folder / "recipe.yaml")
    parts = [name_of(part) for part in (*recipe.strategies, *recipe.watch)]
    assert sorted(parts) == sorted(next(iter(strategy)) for strategy in found.chosen.advice.strategies)
    assert {name: getattr(recipe.training, name) for name in ("epochs",)} == {"epochs": found.chosen.advice.training["epochs"]}
    assert recipe.model == found.chosen.model.spec
    assert name_of(recipe.task) == found.task
    assert json.loads(json.dumps(found.plain()))["chosen"]["model"] == recipe.model
    return found


def test_few_english_reviews(tmp_path: Path) -> None:
    found = recommended(tmp_path, reviews(100))
    assert (found.task, found.rows, found.language, found.chosen.model.spec) == ("text_classification", 90, "en", "sample:minilm")
    assert found.held == 10
    assert found.chosen.fits
    assert found.chosen.changed() == []
    assert "few_shot" in found.recipe
    assert "length: training.epochs 12 (shots 45 < 100, rows 90 < 1000" in found.recipe


def test_few_rows_of_a_class_for_a_model_of_sentences(tmp_path: Path) -> None:
    found = recommended(tmp_path, reviews(40))
    assert found.chosen.model.sentences
    assert "few_shot" in found.recipe
    assert "measured here: 69.2%" in found.recipe


@pytest.mark.parametrize("language", ["", "zh"])
def test_chinese_gets_a_chinese_model(tmp_path: Path, language: str) -> None:
    text = "这家酒店很好{}" if not language else "{}"
    found = recommended(tmp_path, reviews(60, text + " a b"), language=language)
    assert (found.language, found.chosen.model.id, found.chosen.place) == ("zh", "google-bert/bert-base-chinese", "hub")
    assert all(one.model.knows("zh") for one in found.options)


def test_what_is_no_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'xx' is no code of a language\. Write one of ISO 639-1"):
        recommended(tmp_path, reviews(60), language="zh,xx")


def test_texts_in_two_languages_get_a_model_that_knows_both_first(tmp_path: Path) -> None:
    texts = ["tell me what a film is", "这部电影很好看我喜欢", "how long is a day"]
    rows = [{"messages": [{"role": role, "content": f"{texts[i % 3]} {i}"} for role in ("user", "assistant")]} for i in range(90)]
    found = recommended(tmp_path, rows)
    assert found.language == "en, zh"
    assert all(map(found.chosen.model.knows, ("en", "zh")))
    assert "sample:smollm2" in [one.model.spec for one in found.options]


def test_a_translation_has_two_languages(tmp_path: Path) -> None:
    rows = [{"source": f"the house {i} is not small", "target": f"это хороший дом {i}"} for i in range(60)]
    found = recommended(tmp_path, rows, task="sequence_to_sequence")
    assert found.language == "en to ru"
    assert found.chosen.model.knows("ru")


def test_pictures_have_neither_tokens_nor_a_language(tmp_path: Path) -> None:
    for number in range(40):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    found = recommended(tmp_path, [{"image": f"{i}.png", "label": str(i % 2)} for i in range(40)])
    assert (found.task, found.tokens, found.language) == ("image_classification", None, "")


def test_what_takes_long_has_something_shorter_beside_it(tmp_path: Path) -> None:
    rows = reviews(4000, " ".join(["a long review of a film {0} that goes on"] * 30))
    found = recommended(tmp_path, rows)
    assert found.chosen.seconds > advising.LONG
    assert found.shorter is not None
    assert found.shorter.seconds < found.chosen.seconds / 2
    assert found.shorter.changed()
    assert recommended(tmp_path, rows, Limits(1e11, 1e6)).shorter is None
    assert recommended(tmp_path, reviews(60)).shorter is None


def test_as_many_rows_as_time_allows(tmp_path: Path) -> None:
    rows = reviews(3000)
    fastest = recommended(tmp_path, rows, Limits(1e11, 1e-9)).chosen.seconds
    tight = Limits(1e11, fastest / 2)
    most = recommended(tmp_path, rows, tight).chosen.fitting_rows
    assert most is not None
    assert recommended(tmp_path, rows[:most], tight).chosen.fits
    assert recommended(tmp_path, rows, Limits(1e11, 1e-9)).chosen.fitting_rows is None


def test_a_task_may_be_asked_for(tmp_path: Path) -> None:
    rows = [{"text": f"a story {i} about a film and its end"} for i in range(60)]
    assert recommended(tmp_path, rows, task="causal_language_modelling").chosen.model.model == "decoder"
    with pytest.raises(InputError, match="Task chat does not fit these columns"):
        recommend("rows.jsonl", Limits(1e11), "chat", base=tmp_path)
    with pytest.raises(InputError, match="There is no task 'chatt'"):
        recommend("rows.jsonl", Limits(1e11), "chatt", base=tmp_path)


def test_conversations(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "how are you"}, {"role": "assistant", "content": "very well"}]
    found = recommended(tmp_path, [{"messages": [*turns[:-1], {**turns[-1], "content": f"well, {i}"}]} for i in range(60)])
    assert (found.task, found.chosen.model.spec) == ("chat", "sample:smollm2")
    assert found.tokens[0] > 5


def test_limits_change_what_is_advised(tmp_path: Path) -> None:
    rows = reviews(3000, " ".join(["a long review of a film {0} that goes on"] * 5))
    free = recommended(tmp_path, rows)
    for share in (0.7, 0.3):
        tight = recommended(tmp_path, rows, Limits(1e11, free.chosen.seconds * share))
        assert tight.chosen.fits
        assert tight.chosen.seconds <= free.chosen.seconds * share
        assert tight.chosen.changed()
    assert "probe" in tight.recipe
    assert "measured here: a linear probe reached 77.3%" in tight.recipe


def test_what_cannot_fit_is_said(tmp_path: Path) -> None:
    found = recommended(tmp_path, reviews(100), Limits(1e6, 1e-6))
    assert not found.chosen.fits
    assert found.chosen.model.spec == "sample:minilm"


def test_a_model_that_fits_goes_before_one_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = advising.candidates("text_classification", ["en"])
    monkeypatch.setattr(advising, "candidates", lambda task, languages: known[::-1])
    found = recommended(tmp_path, reviews(60))
    assert found.chosen.model == known[-1][0]
    smallest = min(recommended(tmp_path, reviews(60), Limits(1.0)).options, key=lambda one: one.memory)
    assert smallest.model.spec == "sample:minilm"
    assert recommended(tmp_path, reviews(60), Limits(smallest.memory + 1)).chosen.model == smallest.model


def test_limits_as_people_write_them() -> None:
    assert limits_of("8GB", "10min") == Limits(8_000_000_000, 600)
    assert limits_of(None, None).memory > 1e8
    with pytest.raises(InputError, match="'soon' is no length of time"):
        limits_of(None, "soon")


def test_the_speed_is_that_of_real_products() -> None:
    found = measured()
    assert found.flops > 1e6
    assert (found.dtype, found.item) in (("float32", 4), ("bfloat16", 2))
