"""What a model reads of a question with several choices, and the score of each choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.task import Prediction, Row
from tunesmith.data.branches import pad_ends
from tunesmith.data.choices import letter
from tunesmith.data.prompting import plain, prompts
from tunesmith.data.sequences import joined, parted
from tunesmith.data.text import encode_texts, pad_texts


def encode_choices(rows: Sequence[Row], tokenizer: Any, max_length: int) -> list[Row]:
    """Items for an encoder, which reads each choice behind what it is a choice for, as a pair of texts.

    ``input_ids`` (and ``token_type_ids``) hold the sequences of all choices one after the other, ``sizes`` how long each is.
    """
    asked = [(row, choice) for row in rows for choice in row["choices"]]
    firsts = [row.get("context") or row["question"] for row, _ in asked]
    seconds = [f"{row['question']} {choice}" if row.get("context") else choice for row, choice in asked]
    coded = iter(encode_texts(firsts, seconds, tokenizer, max_length))
    return [_item([next(coded) for _ in row["choices"]], row) for row in rows]


def encode_continuations(rows: Sequence[Row], template: str, tokenizer: Any, max_length: int, unit: str) -> list[Row]:
    """Items for a decoder, which says how likely each choice is after the question.

    The same as for an encoder, with ``prompt``, the tokens before each choice, and ``units``, by which its log-likelihood is divided: its
    tokens or characters, or 1, as ``unit`` says. A text that is too long loses its end.
    """
    most = min(max_length, tokenizer.model_max_length)
    texts = [{"question": row["question"], "context": f"{row['context']}\n" if row.get("context") else ""} for row in rows]
    asked, cut = prompts(template, texts, plain(tokenizer), most)
    blank = "" if template[-1:].isspace() else " "
    items = []
    for row, text, prompt, lost in zip(rows, texts, asked, cut, strict=True):
        whole = tokenizer([blank + choice for choice in row["choices"]], add_special_tokens=False, verbose=False)["input_ids"]
        said = [ids[: most // 2] for ids in whole]
        room = most - max(map(len, said))
        if len(prompt) > room:
            [prompt], [lost] = prompts(template, [text], plain(tokenizer), room)
        lost += sum(map(len, whole)) - sum(map(len, said))
        sequences = [{"input_ids": [*prompt, *ids], "length": len(prompt) + len(ids), "truncated": 0} for ids in said]
        divisors = {"tokens": list(map(len, said)), "characters": list(map(len, row["choices"]))}
        units = divisors.get(unit, [1] * len(said))
        items.append(_item(sequences, row) | {"prompt": len(prompt), "units": units, "truncated": lost})
    return items


def pad_choices(
    items: Sequence[Row], tokenizer: Any, shared: bool = False
) -> tuple[dict[str, Tensor], dict[str, Tensor], int, list[list[str]]]:
    """Items as padded inputs, targets, how many tokens are real, and the texts of the choices; every choice is a sequence of its own.

    Inputs of an encoder are (sequences, 1, length), as for rows of one choice, so that rows with fewer choices cost nothing; those of a
    decoder are as ``pad_ends`` makes them, ``shared`` or not. Targets: ``answer`` (batch,) where it is known; of a decoder also
    ``labels`` and ``owners``, and ``units`` (sequences,), by which the score of each is divided.
    """
    texts = [bytes(item["text"]).decode().split("\x1f") for item in items]
    targets = {"answer": torch.tensor([item["answer"] for item in items])} if "answer" in items[0] else {}
    if "prompt" not in items[0]:
        inputs, tokens = pad_texts([sequence for item in items for sequence in parted(item)], tokenizer)
        return {name: tensor[:, None] for name, tensor in inputs.items()}, targets, tokens, texts
    inputs, ends, tokens = pad_ends(items, tokenizer.pad_token_id, shared)
    units = torch.tensor([float(unit) for item in items for unit in item["units"]])
    return inputs, targets | ends | {"units": units}, tokens, texts


def _item(sequences: Sequence[Mapping[str, Any]], row: Row) -> Row:
    text = {"text": list("\x1f".join(row["choices"]).encode())}
    return joined(sequences) | text | ({"answer": row["answer"]} if "answer" in row else {})


def likelihoods(logits: Tensor, tokens: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    """The log-likelihood of each choice, (sequences,), divided by its unit, from the logits (tokens, vocabulary) of the labelled tokens."""
    each = -F.cross_entropy(logits, tokens, reduction="none")
    return each.new_zeros(len(targets["units"])).index_add(0, targets["owners"], each) / targets["units"]


def chosen(scores: Sequence[float], texts: Sequence[str]) -> Prediction:
    """The choice with the highest score, the first of several; its probability is its share of all scores."""
    best = max(range(len(texts)), key=scores.__getitem__)
    shares = [score / sum(scores) for score in scores] if any(scores) else [1 / len(texts)] * len(texts)
    return {"index": best, "letter": letter(best), "choice": texts[best], "confidence": shares[best], "probabilities": shares}
