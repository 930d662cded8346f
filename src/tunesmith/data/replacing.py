"""Texts some of whose tokens are to be replaced: at which positions, and how often texts have each token (Clark et al. 2020, section 2)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.run import seed_of
from tunesmith.core.task import Row
from tunesmith.data.masking import SPECIAL, chosen
from tunesmith.data.text import pad_texts

UNIGRAMS = "unigrams.json"  # beside the saved model: how often its training texts have each token
JUDGED = "judged"  # the draw where none is given: in evaluation the same tokens are replaced each time


def collate_asked(features: Sequence[Row], rate: float, tokenizer: Any) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    """Items of ``encode_masked`` as padded inputs, targets, each (batch, length), and how many tokens are real.

    ``real``   which positions are tokens of the text, neither special nor padding
    ``asked``  which of these are to be replaced: each with probability ``rate``, one at least; none of an item that is ``whole``
    ``draws``  numbers from [0, 1), by which what stands there instead is drawn

    Both are functions of the tokens and of ``draw``, the number that differs from step to step.
    """
    inputs, tokens = pad_texts(features, tokenizer)
    size = inputs["input_ids"].shape
    targets = {"real": torch.zeros(size, dtype=torch.bool), "asked": torch.zeros(size, dtype=torch.bool), "draws": torch.zeros(size)}
    for row, item in enumerate(features):
        length = item["length"]
        place = slice(size[1] - length, None) if tokenizer.padding_side == "left" else slice(0, length)
        real = torch.as_tensor(item["words"]) != SPECIAL
        generator = torch.Generator().manual_seed(seed_of(item.get("draw", JUDGED), *item["input_ids"]))
        targets["real"][row, place] = real
        targets["draws"][row, place] = torch.rand(length, generator=generator)
        if not item["whole"] and real.any():
            targets["asked"][row, place] = chosen(real[None], rate, generator)[0]
    return inputs, targets, tokens


def unigrams(texts: Sequence[str], tokenizer: Any) -> dict[str, int]:
    """How often texts have each token, by its number as a text, as JSON has it; special tokens are not counted."""
    ids = [token for text in texts for token in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]
    special = set(tokenizer.all_special_ids)
    return {str(token): number for token, number in sorted(Counter(ids).items()) if token not in special}


def read_unigrams(folder: str) -> dict[str, int]:
    """What ``UNIGRAMS`` in a model's folder says; nothing where there is none."""
    file = Path(folder) / UNIGRAMS
    found = json.loads(file.read_text(encoding="utf-8")) if folder and file.is_file() else {}
    return {str(token): int(number) for token, number in found.items()}


def chances_of(counts: Mapping[str, int], tokenizer: Any) -> Tensor:
    """The chance of each token, (1, vocabulary), by its count; the same for all that are not special where nothing was counted."""
    chances = torch.zeros(1, len(tokenizer))
    if counts:
        chances[0, [int(token) for token in counts]] = torch.tensor([float(number) for number in counts.values()])
    else:
        chances += 1
        chances[0, [token for token in tokenizer.all_special_ids if token < len(tokenizer)]] = 0
    return chances
