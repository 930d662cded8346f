"""The table of pre-trained models: it is whole, what it says of our samples is true, and what is proposed fits task and language."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.recipes import pretrained as table
from tunesmith.recipes.find import names
from tunesmith.recipes.pretrained import MANY, Pretrained, candidates, place, pretrained
from tunesmith.samples.catalogue import SAMPLES


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is at hand."""
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)


def test_every_row_says_what_can_be() -> None:
    for model in pretrained():
        assert model.model in ("encoder", "decoder", "encoder_decoder")
        assert set(model.tasks) <= set(names("tasks")), model.id
        assert 0 < model.inner <= model.weights, model.id
        assert model.inner == pytest.approx(12 * model.layers * model.width**2, rel=0.75), model.id
        assert model.licence
        assert model.note
    assert len({model.id for model in pretrained()}) == len(pretrained())


def test_every_task_has_a_model() -> None:
    assert {task for model in pretrained() for task in model.tasks} >= set(names("tasks"))


def test_our_samples_are_what_the_table_says() -> None:
    for model in pretrained():
        if model.sample:
            sample = SAMPLES[model.sample]
            assert sample.kind == "model"
            assert (sample.origin, sample.licence) == (model.id, model.licence)
            assert f"{model.parameters:g} M" in sample.about


@pytest.mark.parametrize("task", [task for task in names("tasks") if any(task in model.tasks for model in pretrained())])
def test_chinese_gets_a_model_that_reads_it(task: str) -> None:
    found = candidates(task, ["zh"])
    readers = [model for model in pretrained() if task in model.tasks and model.knows("zh")]
    assert {model.id for model, _ in found} == {model.id for model in readers or [m for m in pretrained() if task in m.tasks]}
    if any("zh" in model.languages for model in readers):
        assert "zh" in found[0][0].languages


def test_what_knows_both_languages_goes_first() -> None:
    found = [model for model, _ in candidates("chat", ["zh", "en"])]
    assert all(map(found[0].knows, ("zh", "en")))
    assert "sample:smollm2" in [model.spec for model in found]
    assert candidates("image_classification", []) != []


def test_english_begins_with_what_needs_no_hub() -> None:
    assert candidates("text_classification", ["en"])[0] == (pretrained()[0], "sample")
    assert candidates("text_classification", ["en"])[0][0].spec == "sample:minilm"


def test_what_is_in_the_cache_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, _: "/there" if "xlm" in name else None)
    model, where = candidates("text_classification", ["zh"])[0]
    assert (model.id, where, MANY in model.languages) == ("FacebookAI/xlm-roberta-base", "here", True)


def test_a_sample_that_was_fetched_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    minilm: Pretrained = pretrained()[0]
    assert place(minilm) == "sample"
    monkeypatch.setattr("tunesmith.samples.fetch.intact", lambda *_: True)
    assert place(minilm) == "here"
    assert table.TABLE.endswith(".yaml")
