"""Masked texts: which tokens are asked for, and what stands in their place (Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import compress
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import seed_of

MASKED, REPLACED = 0.8, 0.1  # of the tokens that are asked for; the rest stays as it is
IGNORED = -100
SPECIAL = -1  # the word of a token that is of no word, and is not asked for
MASK = "[MASK]"  # how people write it, whatever the tokenizer calls it


def chosen(maskable: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Positions that are asked for, (batch, length): each with probability ``rate``, one in each text at least, of those that may be."""
    draws = torch.rand(maskable.shape, generator=generator).to(maskable.device).masked_fill(~maskable, 2.0)
    return ((draws < rate) | (draws == draws.amin(dim=1, keepdim=True))) & maskable


def masked(ids: Tensor, asked: Tensor, tokenizer: Any, generator: torch.Generator) -> Tensor:
    """``ids`` where of the positions asked for 80% hold the mask, 10% any token, and 10% what they held."""
    draws = torch.rand(ids.shape, generator=generator).to(ids.device)
    words = torch.randint(len(tokenizer), ids.shape, generator=generator).to(ids.device)
    replaced = torch.where(asked & (draws < MASKED + REPLACED), words, ids)
    return torch.where(asked & (draws < MASKED), tokenizer.mask_token_id, replaced)


def mask_item(item: dict[str, Any], rate: float, tokenizer: Any) -> tuple[Tensor, Tensor]:
    """The tokens of an item with some masked, (length,), and at those positions what stood there, -100 elsewhere.

    Whole words are asked for, by ``words`` (length,), the number of each token's word. Which ones is a pure function of the tokens and of
    ``draw``, the number that differs from step to step; without one, as in evaluation, they are the same each time and all become masks.
    A text that holds masks itself is asked for these alone then.
    """
    ids, words = torch.as_tensor(item["input_ids"]).long(), torch.as_tensor(item["words"]).long()
    own = ids == tokenizer.mask_token_id
    judged = "draw" not in item
    if judged and own.any():
        return ids, torch.where(own, ids, IGNORED)
    generator = torch.Generator().manual_seed(seed_of(item.get("draw", "judged"), *item["input_ids"]))
    number = int(words.max()) + 1 if len(words) else 0
    asked = torch.zeros(len(ids), dtype=torch.bool)
    if number > 0:
        some = chosen(torch.ones(1, number, dtype=torch.bool), rate, generator)[0]
        asked = some[words.clamp(min=0)] & (words != SPECIAL) & ~own
    given = torch.where(asked, tokenizer.mask_token_id, ids) if judged else masked(ids, asked, tokenizer, generator)
    return given, torch.where(asked, ids, IGNORED)


def encode_masked(texts: Sequence[str], tokenizer: Any, max_length: int, whole_words: bool) -> list[dict[str, Any]]:
    """Items for texts, one for each ``max_length`` tokens of a long one.

    Each has ``input_ids``, ``token_type_ids`` where the tokenizer gives them, ``length``, ``example``, and ``words`` (length,): the number
    of the word that each token is of, -1 for special tokens. Without ``whole_words`` each token is a word. Chinese words are those of
    jieba where it is installed, else characters.
    """
    if whole_words and not tokenizer.is_fast:
        problem = f"the tokenizer ({type(tokenizer).__name__}) does not say which of its tokens are of one word"
        raise InputError(Problem(problem, "Set task.whole_words: false", key="task.whole_words"))
    asked = [text.replace(MASK, tokenizer.mask_token) for text in texts]
    coded = tokenizer(
        asked,
        truncation=True,
        max_length=min(max_length, tokenizer.model_max_length),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_attention_mask=False,
    )
    special = set(tokenizer.all_special_ids)
    segments = [_segments(text) if whole_words else [] for text in asked]
    items = []
    for item, row in enumerate(coded["overflow_to_sample_mapping"]):
        ids = coded["input_ids"][item]
        names: list[Any] = list(coded.word_ids(item)) if whole_words else list(range(len(ids)))
        if segments[row]:
            places = coded["offset_mapping"][item]
            names = [segments[row].get(start, name) for (start, _), name in zip(places, names, strict=True)]
        real = [name is not None and token not in special for name, token in zip(names, ids, strict=True)]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(compress(names, real)))}
        items.append(
            {
                "input_ids": ids,
                **({"token_type_ids": coded["token_type_ids"][item]} if "token_type_ids" in coded else {}),
                "length": len(ids),
                "example": row,
                "words": [numbers[name] if is_real else SPECIAL for name, is_real in zip(names, real, strict=True)],
            }
        )
    return items


def _segments(text: str) -> Any:
    """The Chinese word at each character of it, by its place; nothing where jieba is not installed, or there is no Chinese."""
    if not any("\u3400" <= letter <= "\u9fff" for letter in text) or find_spec("jieba") is None:
        return {}
    import jieba

    found: dict[int, str] = {}
    for word, start, end in jieba.tokenize(text):
        if "\u3400" <= word[0] <= "\u9fff":
            found |= dict.fromkeys(range(start, end), f"word at {start}")
    return found
