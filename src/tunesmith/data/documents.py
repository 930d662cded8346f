"""Raw text as documents, and documents as windows of tokens in which every token is to be foreseen once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Row
from tunesmith.data.packing import IGNORED, Packed, pack

_SMALLEST = 8  # tokens of a window that a model must take


@dataclass(frozen=True)
class Windows:
    """How documents become tokens, and how those that are long are cut.

    ``start``  the token that stands before a document: what the tokenizer puts there itself, else the end of the one before
    ``end``    the token that ends a document
    ``size``   positions of a window at most
    ``share``  positions that a window shares with the one before it, so that its first tokens are foreseen from something
    """

    start: int
    end: int
    size: int
    share: int

    @classmethod
    def of(cls, module: Any, tokenizer: Any, size: int, share: int) -> Windows:
        """The windows of a model. Raises ``InputError`` where it ends no text, or where windows share more than they may."""
        said = getattr(module, "get_base_model", lambda: module)().generation_config.eos_token_id
        known = [tokenizer.eos_token_id, *(said if isinstance(said, list) else [said]), tokenizer.sep_token_id]
        ends = [end for end in known if end is not None]
        room = min(size, tokenizer.model_max_length)
        if room < _SMALLEST or not ends:
            raise InputError(Problem(f"The model takes {room:,} tokens, and ends texts with {ends[:1] or 'none'}", "Name another model"))
        if share > room // 2:
            problem = f"windows of {room:,} tokens cannot share {share:,}"
            raise InputError(Problem(problem, f"Set task.stride to {room // 2:,} at most", key="task.stride"))
        first = tokenizer("a", verbose=False)["input_ids"][0]
        return cls(first if first in (tokenizer.bos_token_id, tokenizer.cls_token_id) else ends[0], ends[0], room, share)

    def cut(self, length: int) -> Iterator[tuple[int, int, int]]:
        """For a document of ``length`` tokens with its start and end: where windows begin, end, and begin to foresee.

        The token at each position foresees the next one: the last of a document foresees nothing.
        """
        start, known = 0, 0
        while known < length - 1:
            end = min(start + self.size, length - 1)
            yield start, end, known - start
            start, known = end - self.share, end


def encode_documents(texts: Sequence[str], tokenizer: Any, windows: Windows, prompt: int) -> list[Row]:
    """Items for documents, one for each window.

    Each has ``input_ids``, its tokens with the one behind its last position; ``known``, how many positions foresee what was foreseen
    before; ``length``, its positions; ``example``; and ``prompt``, how many of its tokens are given where the model is to go on: of a
    first window ``prompt`` behind the start, a half at most; 0 of others.
    """
    items: list[Row] = []
    for example, ids in enumerate(_tokens(texts, tokenizer)):
        whole = [windows.start, *ids, windows.end]
        for start, end, known in windows.cut(len(whole)):
            given = 0 if start else 1 + min(prompt, (end - 1) // 2)
            found = {"input_ids": whole[start : end + 1], "known": known, "length": end - start}
            items.append(found | {"prompt": given, "example": example, "truncated": 0})
    return items


def encode_prompts(texts: Sequence[str], tokenizer: Any, windows: Windows, room: int) -> list[Row]:
    """Items for texts that the model is to go on from, as ``encode_documents`` makes them, with nothing to foresee.

    What does not fit into ``room`` positions is cut at the beginning of a text: the model goes on from its end.
    """
    items: list[Row] = []
    for ids in _tokens(texts, tokenizer):
        given = [windows.start, *ids][-room:]
        found = {"input_ids": [*given, windows.end], "known": len(given), "length": len(given), "prompt": len(given)}
        items.append(found | {"example": len(items), "truncated": len(ids) + 1 - len(given)})
    return items


def pad_documents(items: Sequence[Row], pad: int, packed: bool) -> Packed:
    """Windows in rows: several in one where they are ``packed`` and there is room, each of which sees itself alone."""
    texts = [list(item["input_ids"][:-1]) for item in items]
    labels = [[IGNORED] * item["known"] + list(item["input_ids"][item["known"] + 1 :]) for item in items]
    return pack(texts, labels, pad, 0 if packed else None)


def _tokens(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    found: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    return found
