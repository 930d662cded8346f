"""Strategies that cancel each other are told, by both names."""

from __future__ import annotations

import pytest

from training import tiny_fit
from tunesmith.core.clock import Span
from tunesmith.core.observer import Observer
from tunesmith.core.strategy import Strategy
from tunesmith.strategies.adapter import Adapter
from tunesmith.strategies.freeze import Freeze
from tunesmith.strategies.lora import LoRA
from tunesmith.strategies.probe import Probe


class Said(Observer):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def say(self, message: str) -> None:
        self.warnings += [message] if message.startswith("WARNING") else []


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ([LoRA(rank=2), Freeze(layers=3)], ("'lora' adds", "'freeze' freezes")),
        ([Probe(until=Span(100, "%")), LoRA(rank=2)], ("'lora' adds", "'probe' freezes")),
        ([Freeze(layers=3), Adapter(size=4)], ("'adapter' adds", "'freeze' freezes")),
        ([LoRA(rank=2), Freeze(layers=2)], ()),
        ([Probe(until=Span(50, "%")), LoRA(rank=2)], ()),
        ([Freeze(layers=3)], ()),
    ],
)
def test_what_is_added_and_never_learns_is_told(parts: list[Strategy], names: tuple[str, ...]) -> None:
    said = Said()
    tiny_fit(None, [*parts, said], steps=2)
    assert len(said.warnings) == bool(names)
    assert all(name in said.warnings[0] for name in names)
