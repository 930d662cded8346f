"""Sentences and their ratings, read from packages of a few rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from samples.packs import Pack, everything
from tunesmith.samples import sentiment


@pytest.fixture
def vader(wheel: Pack, sdist: Pack) -> Path:
    lines = {
        "movieReviewSnippets": "1\t2.5\tA &quot;fine&quot; film\r\n2\t-0.5\tDull\r\n3\t0.49\tIt is a film\r\n4\t1.0\tbroken \ufffd\r\n",
        "amazonReviewSnippets": "7_1\t3.0\tWorks well\r\n7_2\t2.0\tStill works\r\n7_3\t-2\tworks, WELL\r\n",
        "tweets": "1\t1.3\tYay!\r\n",
        "nytEditorialSnippets": "1_1\t-3.00004\tA grim day\r\n",
    }
    inner = sdist({f"hutto_ICWSM_2014/{name}_GroundTruth.txt": text for name, text in lines.items()}).read_bytes()
    return wheel({"vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz": inner})


def test_reviews_are_clearly_positive_or_negative(vader: Path) -> None:
    splits = sentiment.reviews(vader)
    assert splits.keys() == {"train", "test"}
    found = {row["text"]: (row["label"], row["score"], row["domain"]) for row in everything(splits)}
    assert found == {
        'A "fine" film': ("positive", 2.5, "movies"),
        "Dull": ("negative", -0.5, "movies"),
        "Still works": ("positive", 2.0, "amazon"),
    }  # not the neutral, the broken, nor the two that disagree


def test_domains_have_every_rating(vader: Path) -> None:
    rows = everything(sentiment.domains(vader))
    assert Counter(row["domain"] for row in rows) == {"movies": 3, "amazon": 1, "tweets": 1, "nyt": 1}
    assert Counter(row["label"] for row in rows) == {"positive": 3, "neutral": 1, "negative": 2}


def test_a_test_sentence_of_reviews_is_a_test_sentence_of_domains(wheel: Pack, sdist: Pack) -> None:
    lines = "".join(f"{number}\t2.0\ttext number {number}\n" for number in range(200))
    files = {f"hutto_ICWSM_2014/{name}_GroundTruth.txt": "" for name in sentiment.FILES.values()}
    inner = sdist(files | {"hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt": lines}).read_bytes()
    package = wheel({"hutto_ICWSM_2014.tar.gz": inner})
    assert sentiment.reviews(package)["test"] == sentiment.domains(package)["test"] != []


def test_chinese_reviews(sdist: Pack) -> None:
    package = sdist({"s/sentiment/pos.txt": "房间很大，不错\n好\n 服务很好 \n", "s/sentiment/neg.txt": "太吵了，不好\n服务很好\n"})
    rows = everything(sentiment.chinese(package))
    assert {row["text"]: row["label"] for row in rows} == {"房间很大，不错": "positive", "太吵了，不好": "negative"}
