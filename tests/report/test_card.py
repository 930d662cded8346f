"""README.md: what the Hub reads and what people read."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from tunesmith.report.card import card, front_matter
from tunesmith.report.facts import Facts


def test_the_hub_understands_the_front_matter(facts: Facts) -> None:
    data = ModelCard(card(replace(facts, datasets=["stanfordnlp/imdb"]))).data
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert (data.license, data.language, data.library_name) == ("apache-2.0", ["en"], "transformers")
    assert (data.pipeline_tag, data.metrics, data.datasets) == ("text-classification", ["accuracy"], ["stanfordnlp/imdb"])
    assert "tunesmith" in data.tags
    result = next(result for result in data.eval_results if result.metric_type == "accuracy")
    assert result.metric_value == pytest.approx(0.85)
    assert (result.task_type, result.dataset_type, result.dataset_split) == ("text-classification", "stanfordnlp/imdb", "test")
    assert data.model_name == "reviews"


def test_samples_are_named_and_files_are_no_data_sets(facts: Facts) -> None:
    found = front_matter(replace(facts, datasets=["sentiment", "my rows.csv"], licences={"sentiment": "CC-BY-4.0"}))
    assert found["datasets"] == ["sentiment"]
    dataset = found["model-index"][0]["results"][0]["dataset"]
    assert (dataset["name"], dataset["type"]) == ("sentiment, my rows.csv", "custom")


def test_what_the_hub_would_refuse_is_left_out(facts: Facts) -> None:
    private = replace(facts, base_model="/home/me/model", licences={"/home/me/model": "My Own 1.0"}, task="odd_task")
    found = front_matter(private)
    assert not {"base_model", "datasets", "pipeline_tag"} & set(found)
    assert (found["license"], found["license_name"]) == ("other", "my-own-1.0")
    assert "license" not in front_matter(Facts("bare", "text_classification"))


def test_scores_that_are_not_numbers_are_not_claimed(facts: Facts) -> None:
    tuned = {**facts.scores["tuned"], "auc": float("nan")}
    data = ModelCard(card(replace(facts, scores={**facts.scores, "tuned": tuned}))).data
    assert {result.metric_type for result in data.eval_results} == {"accuracy", "f1_macro", "log_loss", "ece"}


def test_people_read_scores_use_data_and_limits(facts: Facts) -> None:
    text = card(facts)
    for words in (
        "**Tuning helped.** Accuracy rose from 30.0% to 85.0%",
        "| accuracy | 30.0% | 40.0% | 70.0% | 85.0% |",
        "+55.0 points (95% interval +44.0 to +66.0, paired bootstrap)",
        "sample:sentiment (licence: MIT)",
        "400 train, 50 validation, 100 test, 2 skipped",
        "- freeze: {layers: 4}",
        "--run reviews-again",
        "the classes differ much in size",
        "52 of 400 training rows",
        "Weakest class: neutral",
        "torch: 2.13.0",
    ):
        assert words in text, words


def code_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)


def test_the_code_is_python_whatever_the_example(facts: Facts) -> None:
    odd = replace(facts, examples=[{"text": 'say "hi"\n\\ 你好 ```', "predicted": "x"}])
    bare = Facts("bare", "text_classification", auto="AutoModelForSequenceClassification")
    for one in (facts, odd, replace(facts, adapter=True), bare):
        blocks = code_blocks(card(one))
        assert len(blocks) == 2
        for block in blocks:
            ast.parse(block)
    assert len(code_blocks(card(replace(bare, auto="")))) == 1  # no class of transformers loads it whole
    assert 'pipeline("text-classification", model="model")' in card(facts)
    adapter = card(replace(facts, adapter=True))
    assert 'AutoPeftModelForSequenceClassification.from_pretrained("model", num_labels=3)' in adapter
    assert ModelCard(adapter).data.library_name == "peft"


def test_text_from_outside_stays_text(facts: Facts) -> None:
    hostile = "<script>x</script> | `a` [b](https://evil.example)"
    text = card(replace(facts, warnings=[hostile], datasets=[hostile], recipe_text="a: |\n  ```\n  # Fake heading\n  ````\n"))
    body = text.split("---\n", 2)[2]
    assert "<script>" not in body.replace("\\<script\\>", "")
    assert "[b](" not in body.replace("\\[b\\](", "")
    assert "\n`````yaml\n" in body
    assert ModelCard(text).data.eval_results[0].dataset_name == hostile


def test_a_bare_run_has_a_card() -> None:
    text = card(Facts("评论", "text_classification"))
    assert "# 评论" in text
    assert "## Scores" not in text
    assert ModelCard(text).data.library_name == "transformers"


def test_further_tests_are_told_and_indexed(facts: Facts) -> None:
    scores = {**facts.scores, "tests": {"target": {**facts.scores, "split": "target", "examples": 40}}}
    text = card(replace(facts, scores=scores))
    assert "| target | accuracy | 40 | 30.0% | 85.0% | +55.0 (+44.0 to +66.0) | Tuning helped |" in text
    assert "Measured on data like the training data and on target only" in text
    results = front_matter(replace(facts, scores=scores))["model-index"][0]["results"]
    assert [result["dataset"]["split"] for result in results] == ["test", "target"]
