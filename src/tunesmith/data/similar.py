"""Texts that are to be near to each other or far apart: which texts a row has, and which of them a micro-batch may contrast."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from operator import mul
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import seed_of
from tunesmith.core.task import Column, Prediction, Row, RowError
from tunesmith.core.words import counted
from tunesmith.data.sequences import joined, parted
from tunesmith.data.text import check_text, encode_texts, pad_texts

# The columns beside the first text that rows of a kind have, the kind that wants most first.
KINDS = {"scored": ("positive", "score"), "triplets": ("positive", "negative"), "pairs": ("positive",), "unsupervised": ()}
_TEXTS = ("anchor", "positive", "negative")
_NAMES = {
    "anchor": ("query", "text", "text1", "sentence1", "question", "question1", "sentence", "premise", "content", "review"),
    "positive": ("pos", "text2", "sentence2", "question2", "answer", "passage", "document", "response", "hypothesis", "text_pair"),
    "negative": ("neg", "hard_negative", "text3", "sentence3"),
    "score": ("similarity", "similarity_score", "relatedness", "relatedness_score", "sts"),
}


def columns_of(kind: str) -> tuple[Column, ...]:
    """The columns of rows of a kind, or of any where it is not known yet. What an anchor is to find is the truth, or else the score."""
    paired = kind in ("pairs", "triplets")
    return tuple(
        Column(
            role,
            names,
            role in ("anchor", *KINDS.get(kind, ())),
            truth=role == "score" or (paired and role != "anchor"),
            group=role == "anchor",
        )
        for role, names in _NAMES.items()
    )


def texts_of(row: Row, kind: str) -> list[str]:
    """The texts of a row, the first one before those that it is compared with; of an unsupervised one its halves. Raises ``RowError``."""
    roles = [role for role in _TEXTS if role == "anchor" or (role in KINDS.get(kind, ()) and role in row)]
    for role in roles:
        check_text(row[role], role)
    texts = [row[role] for role in roles]
    if len(texts) == 3 and texts[1].strip() == texts[2].strip():
        raise RowError("the positive and the negative are the same text", "Take another negative, or leave the row out", "negative")
    return texts + (halves(texts[0]) if kind == "unsupervised" else [])


def halves(text: str) -> list[str]:
    """A text in two parts with as many words each, or characters where it is one word."""
    units, blank = (text.split(), " ") if len(text.split()) > 1 else (list(text.strip()), "")
    middle = len(units) // 2
    return [blank.join(units[:middle]) or text, blank.join(units[middle:])]


def score_of(row: Row) -> float:
    """How near two texts are, any finite number. Raises ``RowError``."""
    value = row["score"]
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        remedy = "Give a number, higher for texts that are nearer; of pairs without numbers keep those that belong together"
        raise RowError(f"the score is '{str(value)[:60]}'" if value not in (None, "") else "the score is empty", remedy, "score")
    return found


def check_cosines(kind: str, ends: Sequence[float]) -> None:
    """Raise ``InputError`` for rows without scores, and for scores, the least and the highest, that no cosine can be."""
    if kind != "scored":
        raise InputError(Problem(f"task.loss is not read: rows are {kind}", "Take it out"))
    if ends and not -1 <= ends[0] <= ends[1] <= 1:
        message = f"task.loss: cosine_mse needs scores from -1 to 1, and they are {ends[0]:g} to {ends[1]:g}"
        raise InputError(Problem(message, f"Divide them by {max(map(abs, ends)):g}, or take cosent"))


def learn_similar(rows: Iterable[Row], kind: str) -> tuple[str, list[float], list[str]]:
    """What training rows are (a key of ``KINDS``), the least and the highest score where they have some, and what to tell the user.

    Raises ``InputError`` for a column that is not there, and for rows from which nothing can be learned.
    """
    rows = list(rows)
    if kind == "auto":
        kind = next(name for name, roles in KINDS.items() if all(role in rows[0] for role in roles))
    if missing := [role for role in KINDS[kind] if role not in rows[0]]:
        raise InputError(
            Problem(f"task.kind: {kind} needs a column for the {missing[0]}", f"Say which: data.columns: {{{missing[0]}: ...}}")
        )
    texts, scores = [], []
    for row in rows:
        with suppress(RowError):  # it is said later, with its place
            texts.append(texts_of(row, kind))
            scores += [score_of(row)] if kind == "scored" else []
    ends = [min(scores), max(scores)] if scores else []
    told = [f"task: {len(texts):,} {_NOUNS[kind]}" + (f", scores {ends[0]:g} to {ends[1]:g}" if ends else "")]
    if texts and (fault := _nothing_to_learn(texts, ends, kind)):
        raise InputError(Problem(*fault))
    if kind != "scored" and kind != "unsupervised" and (same := sum(found[0].strip() == found[1].strip() for found in texts)):
        told.append(f"task: {counted(same, 'row')} with one text as anchor and as positive, which teaches little")
    return kind, ends, told


_NOUNS = {"scored": "scored pairs of texts", "triplets": "triplets of texts", "pairs": "pairs of texts", "unsupervised": "texts"}


def _nothing_to_learn(texts: Sequence[Sequence[str]], scores: Sequence[float], kind: str) -> tuple[str, str] | None:
    """Why rows teach nothing, and the remedy."""
    if scores and scores[0] == scores[1]:
        return f"every score is {scores[0]:g}, so there is nothing to learn", "Give different scores, or take task.kind: pairs"
    if kind == "pairs" and len({found[1] for found in texts}) == 1:
        return "every row has the same positive, so nothing can be told apart", "Name another column under data.columns"
    if kind == "unsupervised" and len({found[0] for found in texts}) == 1:
        return "every row has the same text, so nothing can be told apart", "Name another column under data.columns"
    return None


def encode_similar(rows: Sequence[Row], tokenizer: Any, max_length: int, prompts: tuple[str, str] = ("", "")) -> list[Row]:
    """Items of rows, each with the sequences of all its ``texts`` and its ``score`` where it has one.

    The first text begins with the first of ``prompts`` and the others with the second. Where these differ, each text has in ``same`` a
    number by which it is known again on the other side.
    """
    begun = [prompts[place > 0] + text for row in rows for place, text in enumerate(row["texts"])]
    coded = iter(encode_texts(begun, None, tokenizer, max_length))
    items = [joined([next(coded) for _ in row["texts"]]) for row in rows]
    if prompts[0] != prompts[1]:
        plain = iter(encode_texts([text for row in rows for text in row["texts"]], None, tokenizer, max_length))
        items = [item | {"same": [seed_of(*next(plain)["input_ids"]) for _ in row["texts"]]} for item, row in zip(items, rows, strict=True)]
    return [item | {name: row[name] for name in ("score",) if name in row} for item, row in zip(items, rows, strict=True)]


def pad_similar(items: Sequence[Row], tokenizer: Any, kind: str) -> tuple[dict[str, Tensor], dict[str, Tensor], int, list[int]]:
    """Items as padded inputs (sequences, length), targets, how many tokens are real, and how many sequences each item has.

    Targets are ``firsts`` (batch,), the place of each item's first sequence, and, as far as they are known, ``score`` (batch,), or
    ``own`` and ``barred`` of ``contrasts``; of unsupervised items each first sequence is its own positive.
    """
    parts = [parted(item) for item in items]
    sizes = list(map(len, parts))
    inputs, tokens = pad_texts([sequence for of_item in parts for sequence in of_item], tokenizer)
    targets = {"firsts": torch.tensor([0, *sizes[:-1]]).cumsum(0)}
    keys: list[list[Hashable]] = [
        list(item["same"]) if "same" in item else [tuple(sequence["input_ids"]) for sequence in of_item]
        for item, of_item in zip(items, parts, strict=True)
    ]
    keys = [of_item[:1] * 2 for of_item in keys] if kind == "unsupervised" else keys
    if "score" in items[0]:
        targets["score"] = torch.tensor([float(item["score"]) for item in items])
    elif len(keys[0]) > 1:
        targets["own"], targets["barred"] = contrasts(keys)
    return inputs, targets, tokens, sizes


def contrasts(keys: Sequence[Sequence[Hashable]]) -> tuple[Tensor, Tensor]:
    """Which candidates of a micro-batch an anchor is compared with: the number of its own (rows,), and whom it is not (rows, candidates).

    ``keys`` tell texts apart; each row has that of its anchor, its positive and perhaps negatives. Candidates are all but the anchors.
    No negative of an anchor is: its own text, and any text that is a positive of the same anchor in another row.
    """
    candidates = [key for of_row in keys for key in of_row[1:]]
    positives: dict[Hashable, set[Hashable]] = {}
    own: list[int] = []
    place = 0
    for of_row in keys:
        positives.setdefault(of_row[0], {of_row[0]}).add(of_row[1])
        own.append(place)
        place += len(of_row) - 1
    barred = [
        [candidate in positives[of_row[0]] and number != mine for number, candidate in enumerate(candidates)]
        for of_row, mine in zip(keys, own, strict=True)
    ]
    return torch.tensor(own), torch.tensor(barred)


def prediction(vectors: Sequence[Sequence[float]]) -> Prediction:
    """The vectors of a row's texts, and the cosines of the first with each of the others."""
    first, *others = vectors
    cosines = [sum(map(mul, first, other)) for other in others]
    return {"vector": first} | ({"vectors": others, "similarities": cosines} if others else {})


def compared(predictions: Sequence[Prediction], rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """Of scored pairs how alike their vectors are, and their scores."""
    return [prediction["similarities"][0] for prediction in predictions], [row["score"] for row in rows]


def shown(texts: Sequence[str], found: Prediction, score: float | None, kind: str) -> Row:
    """A row for people: what its vectors say, a cosine or of a triplet the nearer text, and what is right, where that is known.

    A text alone has its vector.
    """
    text, *others = texts
    near: list[Any] = [round(similarity, 3) for similarity in found.get("similarities", [])]
    if kind == "unsupervised" or not near:
        return {"text": text, "predicted": f"the halves have the cosine {near[0]}" if near else found["vector"]}
    if kind == "scored":
        return {"text": f"{text} | {others[0]}", "predicted": near[0]} | ({} if score is None else {"truth": score})
    nearer = others[near.index(max(near))] if len(others) > 1 else f"cosine {near[0]}"
    return {"text": text, "predicted": nearer, "truth": others[0]}
