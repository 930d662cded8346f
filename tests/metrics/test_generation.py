"""Scores of written texts, beside those of the packages that the literature uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu

from tunesmith.metrics.generation import (
    bleu,
    by_row,
    chrf,
    common_subsequence,
    exact_and_f1,
    over,
    rouge,
    scores,
    sentence_bleu,
    sentence_chrf,
    tokenisation,
    words,
)

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "reference/rouge.json").read_text(encoding="utf-8"))
PREDICTED = ["the cat sat on the mat", "a dog ran over the long road", "yes"]
REFERENCES = [["the cat was on the mat", "a cat sat on the mat"], ["the dog ran over a long road"], ["yes it is"]]


@pytest.mark.parametrize("case", CASES, ids=[str(number) for number in range(len(CASES))])
def test_rouge_is_that_of_rouge_score(case: dict[str, Any]) -> None:
    found = rouge(case["predicted"], case["references"])
    assert found == pytest.approx({name: case[name] for name in found}, abs=1e-12)


def test_rouge_of_chinese_counts_characters() -> None:
    found = rouge("这部电影好看", ["这部电影很好看"])
    assert found["rouge_1"] == pytest.approx(2 * 6 / 13)
    assert found["rouge_2"] == pytest.approx(2 * 4 / 11)
    assert found["rouge_l"] == pytest.approx(2 * 6 / 13)


def test_words() -> None:
    assert words("State-of-the-art x86_64!") == ["state", "of", "the", "art", "x86", "64"]
    assert words("我用 Python3 写") == ["我", "用", "python3", "写"]
    assert words("Ёлка, été") == ["ёлка", "été"]


def test_the_longest_common_subsequence() -> None:
    assert common_subsequence("abcbdab", "bdcaba") == 4
    assert common_subsequence("", "abc") == common_subsequence("abc", "") == 0
    assert common_subsequence("x" * 70, "x" * 70) == 70  # more than a machine word


def test_exact_match_and_f1() -> None:
    assert exact_and_f1("The Eiffel Tower!", ["Eiffel tower"]) == {"exact_match": 1.0, "f1": 1.0}
    assert exact_and_f1("in Paris, France", ["Paris"])["f1"] == pytest.approx(0.5)
    assert exact_and_f1("《星球大战》", ["星球大战"]) == {"exact_match": 1.0, "f1": 1.0}
    assert exact_and_f1("北京上海", ["北京"])["f1"] == pytest.approx(2 / 3)


def test_bleu_and_chrf_are_those_of_sacrebleu() -> None:
    streams = [["the cat was on the mat", "the dog ran over a long road", "yes it is"], ["a cat sat on the mat", None, None]]
    assert bleu(PREDICTED, REFERENCES) == pytest.approx(sacrebleu.BLEU().corpus_score(PREDICTED, streams).score)
    assert chrf(PREDICTED, REFERENCES) == pytest.approx(sacrebleu.CHRF().corpus_score(PREDICTED, streams).score)
    assert sentence_bleu(*pair()) == pytest.approx(sacrebleu.BLEU(effective_order=True).sentence_score(*pair()).score)
    assert sentence_chrf(*pair()) == pytest.approx(sacrebleu.CHRF().sentence_score(*pair()).score)


def pair() -> tuple[str, list[str]]:
    return PREDICTED[0], REFERENCES[0]


def test_bleu_of_chinese_is_tokenised_by_characters() -> None:
    predicted, right = ["这部电影真的很好看"], [["这部电影很好看啊"]]
    assert bleu(predicted, right) == pytest.approx(sacrebleu.BLEU(tokenize="zh").corpus_score(predicted, [right[0]]).score)
    assert bleu(predicted, right) > 30 > bleu(["一二三四五六七八九"], right)


@pytest.mark.parametrize(
    ("text", "name"), [("a plain text", "13a"), ("这部电影 Python", "zh"), ("この映画は面白い", "char"), ("ภาพยนตร์", "char"), ("", "13a")]
)
def test_how_scripts_are_parted(text: str, name: str) -> None:
    assert tokenisation([[text]]) == name


def test_scores_by_name() -> None:
    found = scores(["rouge_l", "chrf", "f1"], PREDICTED, REFERENCES)
    assert list(found) == ["rouge_l", "chrf", "f1"]
    assert found["chrf"] == chrf(PREDICTED, REFERENCES)
    assert found["rouge_l"] == pytest.approx(sum(rouge(*row)["rouge_l"] for row in zip(PREDICTED, REFERENCES, strict=True)) / 3)
    assert scores(["bleu"], [], []) == {"bleu": 0.0}


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_scores_of_a_set_are_known_of_any_texts(name: str) -> None:
    of_rows = over(name, PREDICTED, REFERENCES)
    assert of_rows is not None
    for chosen in ([0, 1, 2], [1, 1, 0]):
        texts, references = [PREDICTED[row] for row in chosen], [REFERENCES[row] for row in chosen]
        assert of_rows(np.array(chosen)) == pytest.approx(scores([name], texts, references)[name])
    assert over("rouge_l", PREDICTED, REFERENCES) is None


def test_a_text_by_itself_is_right_by_a_share() -> None:
    assert by_row("exact_match", PREDICTED, REFERENCES) == [1, 1, 0]
    assert by_row("chrf", PREDICTED[:1], REFERENCES[:1]) == [pytest.approx(sentence_chrf(PREDICTED[0], REFERENCES[0]) / 100)]
    assert by_row("bleu", ["the cat was on the mat"], REFERENCES[:1]) == [1.0]
