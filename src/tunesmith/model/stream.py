"""Texts as they are written, piece by piece."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.model.decoding import GREEDY, Decoding
from tunesmith.model.generate import generate, texts

_UNFINISHED = "\ufffd"  # what stands for the first bytes of a character while its other bytes are in tokens to come


def stream(module: nn.Module, tokenizer: Any, prompt: Sequence[int], decoding: Decoding = GREEDY) -> Generator[str]:
    """The answer to one prompt in pieces, as soon as they cannot change any more; joined they are what ``texts`` makes of it.

    A character is never torn apart, and no beginning of a stop text gets out. With ``num_beams`` there is one piece, since a search
    knows its answer at its end. ``generate`` says what ``prompt`` is. Works inside autocast; closing the iterator ends the writing.
    """
    if decoding.num_beams > 1:
        yield from texts(tokenizer, generate(module, tokenizer, [prompt], decoding), decoding.stop)
        return
    ids: list[int] = []
    shown = ""
    for token in _tokens(module, tokenizer, prompt, decoding):
        ids.append(token)
        settled = _settled(texts(tokenizer, [ids], decoding.stop)[0], decoding.stop)
        if len(settled) > len(shown):
            yield settled[len(shown) :]
            shown = settled
    if rest := texts(tokenizer, [ids], decoding.stop)[0][len(shown) :]:
        yield rest


def _settled(text: str, stop: Sequence[str]) -> str:
    """The text without an unfinished character at its end, and without what may be the beginning of a stop text."""
    text = text.rstrip(_UNFINISHED)
    begun = max((size for one in stop for size in range(1, len(one)) if text.endswith(one[:size])), default=0)
    return text[: len(text) - begun]


def _tokens(module: nn.Module, tokenizer: Any, prompt: Sequence[int], decoding: Decoding) -> Iterator[int]:
    """Each token of the answer when it is chosen. transformers pushes tokens, so it works in a thread of its own."""
    device = next(module.parameters()).device
    here = torch.autocast(device.type, torch.get_autocast_dtype(device.type)) if torch.is_autocast_enabled(device.type) else nullcontext()
    passing = _Passing()

    def work() -> None:
        try:
            with here:  # autocast belongs to a thread
                generate(module, tokenizer, [prompt], decoding, streamer=passing)
            passing.queue.put(None)
        except BaseException as error:  # raised again where it is read
            passing.queue.put(error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := passing.queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        passing.closed.set()
        thread.join()


class _Passing:
    """A streamer of transformers that passes tokens to another thread, the prompt left out."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[int | BaseException | None] = SimpleQueue()
        self.closed = Event()
        self._prompt = True

    def put(self, value: Tensor) -> None:
        if self.closed.is_set():
            raise _ClosedError
        for token in [] if self._prompt else value.reshape(-1).tolist():
            self.queue.put(token)
        self._prompt = False

    def end(self) -> None:
        """The whole answer was chosen; ``generate`` returns next."""


class _ClosedError(Exception):
    """Nobody reads any more."""
