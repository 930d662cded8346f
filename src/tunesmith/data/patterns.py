"""Patterns: what a language model reads of a text, with a place where it is to write the label.

Source: Schick and Schütze 2021, "Exploiting Cloze Questions for Few Shot Text Classification and Natural Language Inference" (PET),
arXiv:2001.07676, section 3.1, which calls a word for each label a verbaliser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Row
from tunesmith.data.branches import pad_ends
from tunesmith.data.packing import IGNORED
from tunesmith.data.prompting import placeholders, plain, prompts
from tunesmith.data.sequences import joined, parted
from tunesmith.data.text import pad_texts

PLACE = "{label}"


def check_pattern(pattern: str, key: str, text: bool = True) -> None:
    """Raise ``InputError`` unless the pattern has one place for the label and, where ``text``, one for the text; else none."""
    wanted = ["text", "label"] if text else ["label"]
    names = placeholders(pattern)
    if sorted(names) != sorted(wanted) or any(pattern.count(f"{{{name}}}") > 1 for name in wanted):
        places = " and ".join(f"{{{name}}}" for name in wanted)
        raise InputError(Problem(f"{key} '{pattern}' must have {places}, once, and nothing else in braces", "Correct it", column=key))


def check_continues(pattern: str, key: str) -> None:
    """Raise ``InputError`` for a pattern that a decoder cannot read: it writes the label after the text."""
    if pattern.index("{text}") > pattern.index(PLACE):
        raise InputError(Problem(f"{key}: a decoder reads the text before it writes the label", "Put {text} before {label}", column=key))


def word_ids(words: Sequence[str], pattern: str, tokenizer: Any) -> list[list[int]]:
    """The tokens of each label's word, as they stand in the pattern.

    Raises ``InputError`` for a word that the vocabulary does not know, and for two labels with the same tokens.
    """
    blank = " " if pattern[: pattern.index(PLACE)].endswith(" ") else ""
    found: list[list[int]] = tokenizer([blank + word for word in words], add_special_tokens=False, verbose=False)["input_ids"]
    unknown = [word for word, ids in zip(words, found, strict=True) if not ids or tokenizer.unk_token_id in ids]
    remedy = "Give it another word (task.words: {label: word})"
    if unknown:
        raise InputError(*(Problem(f"the model's vocabulary has no tokens for the label '{word}'", remedy) for word in unknown))
    for number, ids in enumerate(found):
        if ids in found[:number]:
            other = words[found.index(ids)]
            raise InputError(Problem(f"the labels '{other}' and '{words[number]}' are the same tokens to the model", remedy))
    return found


def encode_cloze(texts: Sequence[str], pattern: str, sizes: Sequence[int], tokenizer: Any, max_length: int) -> list[Row]:
    """Items for an encoder: each text in the pattern, once for each of ``sizes``, with so many masks in the place of the label.

    A text that is too long loses its end. Raises ``InputError`` for a pattern that is too long.
    """
    most, mask = min(max_length, tokenizer.model_max_length), tokenizer.mask_token
    rows = [{"text": text.replace(mask, " ")} for text in texts]
    tokens = plain(tokenizer, ended=True)
    filled = [zip(*prompts(pattern.replace(PLACE, mask * size), rows, tokens, most), strict=True) for size in sizes]
    return [
        joined([{"input_ids": ids, "length": len(ids), "truncated": cut} for ids, cut in versions])
        for versions in zip(*filled, strict=True)
    ]


def pad_cloze(items: Sequence[Row], tokenizer: Any) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    """Items as padded inputs (sequences, length), targets, and how many tokens are real.

    The target ``labels`` (sequences, length) is -100 but where a mask stands.
    """
    inputs, tokens = pad_texts([sequence for item in items for sequence in parted(item)], tokenizer)
    ids = inputs["input_ids"]
    return inputs, {"labels": torch.where(ids == tokenizer.mask_token_id, ids, IGNORED)}, tokens


def encode_continued(texts: Sequence[str], pattern: str, words: Sequence[Sequence[int]], tokenizer: Any, max_length: int) -> list[Row]:
    """Items for a decoder: each text in the pattern up to the place of the label, followed by the tokens of each of the words.

    ``prompt`` is the number of tokens before the words. A text that is too long loses its end. Raises ``InputError`` for a pattern that
    is too long.
    """
    room = min(max_length, tokenizer.model_max_length) - max(map(len, words))
    template = pattern[: pattern.index(PLACE)].rstrip(" ")
    items = []
    for prompt, cut in zip(*prompts(template, [{"text": text} for text in texts], plain(tokenizer), room), strict=True):
        sequences = [{"input_ids": [*prompt, *ids], "length": len(prompt) + len(ids), "truncated": 0} for ids in words]
        items.append(joined(sequences) | {"prompt": len(prompt), "truncated": cut})
    return items


def pad_continued(items: Sequence[Row], tokenizer: Any, shared: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    """Items as padded inputs, targets, and how many tokens are real, as ``pad_ends`` makes them, ``shared`` or not.

    Targets: ``labels`` and ``owners``; ``units`` (sequences,), ones.
    """
    inputs, targets, tokens = pad_ends(items, tokenizer.pad_token_id, shared)
    return inputs, targets | {"units": torch.ones(sum(len(item["sizes"]) for item in items))}, tokens
