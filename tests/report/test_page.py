"""report.html: complete, self-contained, and deaf to what texts would like it to run."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tunesmith.report.facts import Facts
from tunesmith.report.page import page

VOID = {"meta", "link", "br", "path"}
HOSTILE = "</style><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>\"'&"


class Reader(HTMLParser):
    """Tags with their attributes, the text, and a complaint when a tag is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.ended = list[str]()
        self.feed(html)
        assert self.ended == [], f"never closed: {self.ended}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.ended.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.ended.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.ended[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_everything_of_a_run_is_there(facts: Facts) -> None:
    text = Reader(page(facts)).text
    for words in (
        "Tuning helped",
        "30.0% → 85.0%",
        "95% interval +44.0 to +66.0",
        "TF-IDF + logistic regression",
        "Better than the base model on 58 rows, worse on 3.",
        "the classes differ much in size",
        "training loss, smoothed",
        "Validation accuracy",
        "Class by class",
        "Confusion matrix",
        "Does it know when it is right?",
        "wrong number 19",
        "52 of 400 rows were cut",
        "max_length 128",
        "2 rows were skipped",
        "The first four layers stay as they are.",
        "frozen · 11.9 M",
        "--run reviews-again",
        "torch 2.13.0",
        "licence of sample:sentiment MIT",
        "layers 1 to 4 are cached",
        "a fine film",
        "Own figures",
        "1 min 4 s",
    ):
        assert words in text, words


def test_nothing_is_asked_from_outside_and_nothing_runs(facts: Facts) -> None:
    html = page(facts)
    reader = Reader(html)
    assert not {"script", "iframe", "img", "object", "form"} & {tag for tag, _ in reader.tags}
    places = [value or "" for _, attributes in reader.tags for name, value in attributes.items() if name in ("href", "src", "action")]
    assert places
    assert all(place.startswith(("#", "data:")) for place in places)
    assert "url(" not in html
    assert "@import" not in html
    policy = next(attributes["content"] for _, attributes in reader.tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def poisoned(value: Any) -> Any:
    """The same value with every text in it, keys of scores apart, made hostile."""
    if isinstance(value, str):
        return HOSTILE + value
    if isinstance(value, dict):
        return {key: poisoned(item) for key, item in value.items()}
    return [poisoned(item) for item in value] if isinstance(value, (list, tuple)) else value


def test_every_text_is_escaped(facts: Facts) -> None:
    scores = {**facts.scores, "split": HOSTILE}
    for name in ("base", "tuned"):
        scores[name] = {**scores[name], "per_class": {HOSTILE + label: row for label, row in scores[name]["per_class"].items()}}
    own = {
        field.name: poisoned(getattr(facts, field.name)) for field in fields(facts) if field.name not in ("scores", "events", "sections")
    }
    own["licences"] = {HOSTILE: HOSTILE}
    own["environment"] = {HOSTILE: HOSTILE}
    events = [*facts.events, {"event": "say", "step": 1, "text": HOSTILE}]
    extra = [{"title": HOSTILE, "kind": "notes", "data": {"items": [HOSTILE]}, "about": HOSTILE, "group": HOSTILE}]
    html = page(Facts(**own, scores=scores, events=events, sections=extra))
    reader = Reader(html)
    assert not {"script", "img"} & {tag for tag, _ in reader.tags}
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert html.lower().count("</style>") == 1
    assert reader.text.count("<script>alert(1)</script>") > 50


def test_an_empty_run_has_a_page() -> None:
    text = Reader(page(Facts("empty", "text_classification"))).text
    assert "Not evaluated" in text
    assert "Scores" not in text


@pytest.mark.parametrize("missing", [field.name for field in fields(Facts)][2:])
def test_any_part_may_be_missing_and_any_may_be_alone(facts: Facts, missing: str) -> None:
    bare = Facts("bare", "text_classification")
    assert Reader(page(replace(facts, **{missing: getattr(bare, missing)}))).text
    assert Reader(page(replace(bare, **{missing: getattr(facts, missing)}))).text


def test_scores_of_other_tasks_fit(facts: Facts) -> None:
    scores = {"primary": "rmse", "base": {"rmse": 2.0}, "tuned": {"rmse": 1.5, "pearson": 0.7}, "examples": 9, "split": "validation"}
    errors = [{"text": "a", "text_pair": "second text", "truth": 3.25, "predicted": 1.5}]
    text = Reader(page(replace(facts, scores=scores, errors=errors))).text
    for words in (
        "RMSE fell from 2.000 to 1.500 on 9 validation rows",
        "RMSE ↓",
        "expect a little less on new data",
        "second text",
        "3.25",
    ):
        assert words in text
    assert "Confusion matrix" not in text


def test_many_sets_of_labels_are_listed(facts: Facts) -> None:
    text = Reader(page(replace(facts, errors=[{"text": "a", "truth": ["x", "y"], "predicted": []}]))).text
    assert "truth x, y" in text
    assert "predicted none" in text


def test_losses_that_are_not_numbers_are_skipped(facts: Facts) -> None:
    events = [
        *facts.events,
        {"event": "step", "step": 61, "epoch": 3.05, "loss": float("nan")},
        {"event": "step", "step": 62, "epoch": 3.1, "loss": None},
    ]
    assert "nan" not in re.sub(r"financ\w*", "", page(replace(facts, events=events)).lower())


def test_a_large_run_stays_small(facts: Facts) -> None:
    labels = [f"类别 {i}" for i in range(300)]
    row = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 10}
    tuned = {
        **facts.scores["tuned"],
        "per_class": dict.fromkeys(labels, row),
        "confusion": [[(i * j) % 7 for j in range(300)] for i in range(300)],
    }
    steps = [{"event": "step", "step": s, "epoch": s / 1000, "loss": 1 + (s * 7919 % 100) / 100} for s in range(20_000)]
    errors = [{"text": "字" * 5000, "truth": "a", "predicted": "b", "confidence": 0.9}] * 200
    html = page(
        replace(
            facts, scores={**facts.scores, "tuned": tuned, "base": {"accuracy": 0.1}}, events=steps, errors=errors, lengths=[7] * 100_000
        )
    )
    assert len(html.encode()) < 400_000
    assert len(page(facts).encode()) < 100_000


def test_figures_and_tables_have_names_for_those_who_cannot_see_them(facts: Facts) -> None:
    reader = Reader(page(facts))
    assert all(attributes.get("aria-label") for _, attributes in reader.tags if attributes.get("role") in ("img", "region"))
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("caption") == tags.count("table") > 0
    assert all(attributes.get("scope") for tag, attributes in reader.tags if tag == "th")
    assert tags.count("h1") == 1
    assert ("html", {"lang": "en"}) in reader.tags


def test_chinese_goes_through_untouched(facts: Facts) -> None:
    errors = [{"text": "味道不错，服务太差。", "truth": "负面", "predicted": "正面", "confidence": 0.99}]
    html = page(replace(facts, name="评论", errors=errors))
    assert html.count("味道不错，服务太差。") == 1
    assert "<title>评论: Tuning helped</title>" in html
    assert '<meta charset="utf-8">' in html
