"""How figures are written."""

from __future__ import annotations

import pytest

from tunesmith.report import numbers


@pytest.mark.parametrize(
    ("metric", "number", "text"),
    [
        ("accuracy", 0.8312, "83.1%"),
        ("f1_macro", 1.0, "100.0%"),
        ("mean_average_precision", 0.5, "50.0%"),
        ("log_loss", 0.61234, "0.612"),
        ("mcc", -0.25, "−0.250"),
        ("mse", 0.00001234, "1.234e−05"),
        ("perplexity", 1234.5, "1,234"),
        ("rouge", 41.237, "41.24"),
        ("accuracy", None, "–"),
        ("accuracy", float("nan"), "not finite"),
        ("mse", float("inf"), "not finite"),
    ],
)
def test_a_score_has_its_unit(metric: str, number: float | None, text: str) -> None:
    assert numbers.value(metric, number) == text


def test_changes_have_a_sign_and_shares_differ_by_points() -> None:
    assert numbers.change("accuracy", -0.0251, unit=True) == "−2.5 points"
    assert numbers.change("f1_macro", 0.5) == "+50.0"
    assert numbers.change("log_loss", -0.2, unit=True) == "−0.200"
    assert numbers.change("log_loss", None) == "–"
    assert [numbers.change("perplexity", delta) for delta in (-1336.558, 12.3456)] == ["−1,337", "+12.35"]


def test_the_direction_follows_the_name() -> None:
    errors = {"log_loss", "ece", "rmse", "hamming_loss", "perplexity", "bits_per_byte"}
    assert {metric for metric in errors | {"accuracy", "auc"} if numbers.lower_is_better(metric)} == errors


def test_names_as_people_write_them() -> None:
    assert [numbers.title(metric) for metric in ("f1_macro", "auc", "log_loss")] == ["F1 macro", "AUC", "log loss"]
    odd = {"rouge_l": "ROUGE-L", "chrf": "chrF", "ndcg@10": "NDCG@10", "mrr": "MRR", "summaries_rouge_1": "summaries ROUGE-1"}
    assert {metric: numbers.title(metric) for metric in odd} == odd
    assert [numbers.baseline(name) for name in ("bm25", "lsa", "mean")] == ["BM25", "LSA", "mean of the training rows"]
    assert numbers.baseline("linear_probe") == "linear probe on the frozen base"
    assert numbers.baseline("own_rule") == "own rule"


def test_counts() -> None:
    assert [numbers.compact(n) for n in (9_999, 155_520, 22_713_216, 1.5e9)] == ["9,999", "155.5 k", "22.7 M", "1.5 B"]


def test_tables_and_flags_are_no_scores() -> None:
    assert numbers.scalars({"accuracy": 0.5, "rows": 3, "per_class": {}, "flag": True}) == {"accuracy": 0.5, "rows": 3}
