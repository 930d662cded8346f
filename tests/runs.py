"""Small rows for whole runs, and what is read back of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file

import tiny
from tunesmith.core.json_lines import read_values
from tunesmith.core.observer import Observer, Record
from tunesmith.core.run import Run
from tunesmith.run import Report

GOOD = ("a good film", "the best story of all", "wonderful music", "i loved it very well")
BAD = ("a bad film", "the worst plot of all", "dull music", "i hated it very long")
TRAINING = {"epochs": 3, "batch_size": 8, "learning_rate": 3e-3, "precision": "float32", "log_every": 1, "save_every": "2st"}


def rows(count: int = 40) -> list[dict[str, str]]:
    """Sentences that differ, good and bad in turn."""
    words = tiny.WORDS
    return [
        {"text": f"{(BAD, GOOD)[i % 2][i // 2 % 4]} {words[i % 50]} {words[7 * i % 50]}", "label": ("bad", "good")[i % 2]}
        for i in range(count)
    ]


Train = Callable[..., Report]


def weights(report: Report) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(report.folder / "model" / "model.safetensors")
    return tensors


def same(one: Report, other: Report) -> bool:
    return (one.folder / "model/model.safetensors").read_bytes() == (other.folder / "model/model.safetensors").read_bytes()


def predictions(report: Report, split: str = "test") -> list[dict[str, Any]]:
    return read_values(report.folder / f"predictions/{split}.jsonl")


def timeless(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in event.items() if name != "time"} for event in events]


@dataclass
class Interruption(Observer):
    """Somebody who presses Ctrl-C at a step."""

    at: int = 3

    def step(self, run: Run, record: Record) -> str | None:
        if record.step == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return None
