"""How right found entities are: precision, recall and F1 of whole entities, as seqeval counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tunesmith.metrics.classify import classification
from tunesmith.metrics.interval import Rows, over_sums

OUTSIDE = "O"

Entity = tuple[str, int, int]  # type, first token, last token


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities that the tags of a sentence write in BIO, BIOES or IO, in their order.

    Sequences that no scheme allows have entities too: one begins at B and S, after E and S, after O, and where the type changes.

    Source: Tjong Kim Sang & Buchholz 2000, the script conlleval of CoNLL 2000, and seqeval 1.2.2 in its default mode.
    """
    found: list[Entity] = []
    before, kind, start = OUTSIDE, "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, _, own = (OUTSIDE, "", "") if tag == OUTSIDE else tag.partition("-")
        begins = prefix != OUTSIDE and (prefix in ("B", "S") or before in ("E", "S", OUTSIDE) or own != kind)
        if before != OUTSIDE and (begins or prefix == OUTSIDE):
            found.append((kind, start, place - 1))
        start = place if begins else start
        before, kind = prefix, own
    return found


def placed(
    text: str, starts: Sequence[int], ends: Sequence[int], tags: Sequence[str], confidences: Sequence[float]
) -> list[dict[str, Any]]:
    """The entities of a text whose tokens begin and end at these characters: label, text, start, end, and the mean of ``confidences``."""
    return [
        {
            "label": kind,
            "text": text[starts[first] : ends[last]],
            "start": starts[first],
            "end": ends[last],
            "confidence": sum(confidences[first : last + 1]) / (last + 1 - first),
        }
        for kind, first, last in entities(tags)
    ]


def entity_scores(predicted: Sequence[Sequence[str]], truths: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Scores over the entities of all sentences, by the tags of their tokens.

    - ``f1``, ``precision`` and ``recall`` over all entities: one is right where type and both ends are
    - ``f1_macro``: the mean over the types that occur in truth or prediction
    - ``accuracy``: tokens with the right tag, O among them
    - ``per_class``: precision, recall, f1 and support (entities that are truly there) by type
    """
    hits, claimed, support = Counter[str](), Counter[str](), Counter[str]()
    for tags, right in zip(predicted, truths, strict=True):
        found, wanted = set(entities(tags)), set(entities(right))
        for counts, own in ((hits, found & wanted), (claimed, found), (support, wanted)):
            counts.update(kind for kind, _, _ in own)
    by_type = {kind: _ratios(hits[kind], claimed[kind], support[kind]) for kind in sorted(claimed | support)}
    pairs = [pair for tags, right in zip(predicted, truths, strict=True) for pair in zip(tags, right, strict=True)]
    return {
        **_ratios(hits.total(), claimed.total(), support.total()),
        "f1_macro": sum(scores["f1"] for scores in by_type.values()) / max(1, len(by_type)),
        "accuracy": sum(tag == right for tag, right in pairs) / max(1, len(pairs)),
        "per_class": {kind: {**scores, "support": support[kind]} for kind, scores in by_type.items()},
    }


def tag_scores(predicted: Sequence[Sequence[str]], truths: Sequence[Sequence[str]], labels: Sequence[str]) -> dict[str, Any]:
    """Scores of tags that write no entities, over the tokens of all sentences: those of ``classification``."""
    given, right = ([labels.index(tag) for tags in sentences for tag in tags] for sentences in (predicted, truths))
    return classification(right, given, None, labels)


def entity_f1(predicted: Sequence[str], truth: Sequence[str]) -> float:
    """F1 of the entities of one sentence; 1 where there are none and none are found."""
    hits, found, wanted = entity_counts(predicted, truth)
    return 2 * hits / (found + wanted) if found or wanted else 1.0


def entity_counts(predicted: Sequence[str], truth: Sequence[str]) -> tuple[int, int, int]:
    """Of one sentence: the entities that are found and right, those that are found, and those that are there."""
    found, wanted = set(entities(predicted)), set(entities(truth))
    return len(found & wanted), len(found), len(wanted)


def f1_of(counts: Iterable[float]) -> float:
    """F1 from the sums of ``entity_counts``; 0 where there are none and none are found."""
    hits, claimed, support = counts
    return 2 * hits / max(1, claimed + support)


def tags_over(predicted: Sequence[Sequence[str]], truths: Sequence[Sequence[str]], plain: bool) -> Callable[[Rows], float]:
    """F1 over the entities of all sentences as a function of their numbers; of ``plain`` tags the share of tokens with the right one."""
    pairs = list(zip(predicted, truths, strict=True))
    if not plain:
        return over_sums([entity_counts(*pair) for pair in pairs], f1_of)
    right = [(sum(map(str.__eq__, *pair)), len(pair[1])) for pair in pairs]
    return over_sums(right, lambda sums: float(sums[0] / np.maximum(1, sums[1])))


def token_accuracy(predicted: Sequence[str], truth: Sequence[str]) -> float:
    """The share of the tokens of a sentence that have the right tag."""
    return sum(tag == right for tag, right in zip(predicted, truth, strict=True)) / max(1, len(truth))


def marked(words: Sequence[str], tags: Sequence[str], plain: bool) -> str:
    """A sentence with its entities in brackets, ``[Ada Lovelace PER] lives``; where tags are ``plain``, each: ``Ada/NOUN lives/VERB``."""
    if plain:
        return " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True))
    shown = list(words)
    for kind, first, last in entities(tags):
        shown[first] = f"[{shown[first]}"
        shown[last] = f"{shown[last]} {kind}]"
    return " ".join(shown)


def _ratios(hits: int, claimed: int, support: int) -> dict[str, float]:
    """0 where a ratio divides by nothing."""
    return {
        "f1": f1_of((hits, claimed, support)),
        "precision": hits / max(1, claimed),
        "recall": hits / max(1, support),
    }
