"""A tuned classifier or ranker as the judge of what another model writes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import torch

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run
from tunesmith.core.task import Head
from tunesmith.model.build import build

BATCH = 32  # texts in one forward pass


class RewardModel:
    """Says of texts how good they are, 0 to 1: the probability of a label, or the sigmoid of a model's one score.

    ``spec`` names the model: a run of text_classification or ranking, a folder, or a hub id. ``label`` is the name of the label; where
    there are two and none is said, it is the second. ``behind`` is whether it reads each text behind its question; ``strategy`` is who
    asks. Raises ``InputError`` for a model without such a head, and for a label that it has not.
    """

    def __init__(self, spec: str, label: str, behind: bool, run: Run, strategy: str) -> None:
        self.behind = behind
        with torch.random.fork_rng():
            model = build(spec, Head("AutoModelForSequenceClassification", {}), run.say)
        if model.fresh:
            message = f"{strategy}: the model {spec} has no head that judges texts ({model.fresh[0]} would be new)"
            raise InputError(Problem(message, "Name a run of text_classification or ranking, or a tuned classifier"))
        config: Any = model.module.config
        names = [str(config.id2label[number]) for number in range(config.num_labels)]
        self.place = _place(names, label, f"{strategy}: {spec}")
        self.apart = config.num_labels == 1 or getattr(config, "problem_type", "") == "multi_label_classification"
        self.module, self.tokenizer = model.module.to(run.device).eval().requires_grad_(False), model.tokenizer
        run.say(f"{strategy}: {model.about} judges by {names[self.place] if len(names) > 1 else 'its score'}")

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], questions: Sequence[str], references: Sequence[str]) -> list[float]:
        """How good each text is as an answer to its question. What is too long is cut; references are not read."""
        found: list[float] = []
        device = next(self.module.parameters()).device
        for start in range(0, len(texts), BATCH):
            part = slice(start, start + BATCH)
            given = (list(questions[part]), list(texts[part])) if self.behind else (list(texts[part]),)
            inputs = self.tokenizer(*given, truncation=True, padding=True, return_tensors="pt", max_length=self.tokenizer.model_max_length)
            logits = self.module(**inputs.to(device)).logits.float()
            chances = logits.sigmoid() if self.apart else logits.softmax(dim=1)
            found += chances[:, self.place].tolist()
        return found


def _place(names: Sequence[str], label: str, who: str) -> int:
    """The number of the label that is wanted of ``who``."""
    if label in names:
        return names.index(label)
    if not label and len(names) <= 2:
        return len(names) - 1
    near = difflib.get_close_matches(label, names, 1)
    remedy = f"Did you mean {near[0]}?" if near else f"Say which, label: one of {', '.join(names)}"
    message = f"{who} has no label '{label}'" if label else f"{who} has {len(names)} labels"
    raise InputError(Problem(message, remedy))
