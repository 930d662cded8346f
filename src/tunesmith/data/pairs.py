"""Sources and targets as token ids: for an encoder that reads and a decoder that writes, or for a decoder that goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Row
from tunesmith.data.packing import IGNORED, pack
from tunesmith.data.prompting import chatting, plain, prompts

_SMALLEST = 8  # tokens of a source and of a target that a model must take


@dataclass(frozen=True)
class Form:
    """How a model takes a source and its target.

    ``encoder_decoder``  whether it reads the source apart from what it writes; else both are one text
    ``chat``             whether the source is what a user says in the tokenizer's chat template
    ``start``            the token that an encoder-decoder's texts begin behind
    ``end``              the tokens that end each target: one, or with the language behind it two
    ``max_source``       longest source in tokens, template included
    ``max_target``       longest target in tokens, its end included
    """

    encoder_decoder: bool
    chat: bool
    start: int
    end: tuple[int, ...]
    max_source: int
    max_target: int

    @classmethod
    def of(cls, module: Any, tokenizer: Any, chat: bool | None, max_source: int, max_target: int) -> Form:
        """The form of a model; ``chat`` None takes a chat template where there is one. Raises ``InputError`` for what cannot be done."""
        whole = getattr(module, "get_base_model", lambda: module)()
        config, said = whole.config, whole.generation_config
        problems = []
        has_template = bool(getattr(tokenizer, "chat_template", None)) and not config.is_encoder_decoder
        if chat and not has_template:
            problems.append(Problem("task.chat is on, and the tokenizer has no chat template", "Leave it out, or name a chat model"))
        ends = [end for one in (tokenizer.eos_token_id, said.eos_token_id, tokenizer.sep_token_id) for end in _listed(one)]
        room = tokenizer.model_max_length
        if room < 2 * _SMALLEST or not ends:
            problems.append(Problem(f"The model takes {room:,} tokens, and ends texts with {ends[:1] or 'none'}", "Name another model"))
        if problems:
            raise InputError(*problems)
        first = said.bos_token_id if said.decoder_start_token_id is None else said.decoder_start_token_id
        start = -1 if first is None else first
        shares = config.is_encoder_decoder
        target = min(max_target, room if shares else room // 2)
        source = min(max_source, room if shares else room - target)
        blank = tokenizer(text_target="", verbose=False)["input_ids"] if shares else []
        last = max((place for place, token in enumerate(blank) if token == ends[0]), default=len(blank))
        return cls(shares, has_template and chat is not False, start, tuple(blank[last:]) or (ends[0],), source, target)

    @property
    def template(self) -> str:
        """What the usual template is for: a ``plain`` source, one that is ``continued``, or one in a ``chat``."""
        return "plain" if self.encoder_decoder else "chat" if self.chat else "continued"


def _listed(value: Any) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]


def encode_pairs(rows: Sequence[Mapping[str, str]], targets: Sequence[str] | None, template: str, tokenizer: Any, form: Form) -> list[Row]:
    """Features of rows: ``input_ids`` of the filled template and, where there are ``targets``, their ``labels`` with the end.

    A source that is too long is cut before the template is filled; a target that is, loses its end: it is not to be learned.
    """
    tokens = chatting(tokenizer) if form.chat else plain(tokenizer, ended=form.encoder_decoder)
    ids, cut = prompts(template, rows, tokens, form.max_source)
    features: list[Row] = [{"input_ids": source, "length": len(source), "truncated": over} for source, over in zip(ids, cut, strict=True)]
    if targets is None:
        return features
    for feature, written in zip(features, _targets(targets, template, tokenizer, form), strict=True):
        whole = [*written, *form.end]
        kept = whole if len(whole) <= form.max_target else written[: form.max_target]
        feature |= {"labels": kept, "length": feature["length"] + len(kept)}
        feature["truncated"] += max(0, len(whole) - form.max_target)
    return features


def _targets(targets: Sequence[str], template: str, tokenizer: Any, form: Form) -> list[list[int]]:
    """Token ids of targets without what marks their beginning, where the model is given it, and their end."""
    if form.encoder_decoder:
        found = tokenizer(text_target=list(targets), verbose=False)["input_ids"]
        found = [ids[1:] if ids[:1] == [form.start] else ids for ids in found]
    else:
        blank = "" if form.chat or template[-1:].isspace() else " "
        found = tokenizer([blank + target for target in targets], add_special_tokens=False, verbose=False)["input_ids"]
    ends = len(form.end)
    return [ids[:-ends] if tuple(ids[-ends:]) == form.end else ids for ids in found]


def pad_pairs(features: Sequence[Row], form: Form, pad: int, packed: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    """Features as padded inputs, targets, and the number of real tokens.

    ``labels`` (batch, length) holds at each position of the output the token that is to be written there, and elsewhere ``IGNORED``.
    Without labels, inputs are sources alone. The texts of a decoder share rows where they are ``packed`` and there is room.
    """
    sources = [list(feature["input_ids"]) for feature in features]
    if "labels" not in features[0]:
        return _read(sources, pad, form), {}, sum(map(len, sources))
    labels = [list(feature["labels"]) for feature in features]
    if form.encoder_decoder:
        written = [[form.start, *ids[:-1]] for ids in labels]
        inputs = _read(sources, pad, form) | {"decoder_input_ids": padded(written, pad)}
        return inputs, {"labels": padded(labels, IGNORED)}, sum(map(len, sources + written))
    whole = [[*source, *ids[:-1]] for source, ids in zip(sources, labels, strict=True)]
    learned = [[IGNORED] * (len(source) - 1) + ids for source, ids in zip(sources, labels, strict=True)]
    rows = pack(whole, learned, pad, 0 if packed else None)
    return rows.inputs, {"labels": rows.labels}, sum(map(len, whole))


def _read(ids: Sequence[Sequence[int]], pad: int, form: Form) -> dict[str, Tensor]:
    """``input_ids``, and the ``attention_mask`` where it matters: a decoder does not look ahead, to the padding on the right."""
    inputs = {"input_ids": padded(ids, pad)}
    if form.encoder_decoder and len(set(map(len, ids))) > 1:
        inputs["attention_mask"] = padded([[1] * len(row) for row in ids], 0)
    return inputs


def padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """Rows as an int64 tensor (rows, longest), filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])
