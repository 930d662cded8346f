"""Dataset map: which training rows are easy, hard or ambiguous, as training itself shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.observer import Observer
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.data.batches import length_batches
from tunesmith.data.unlabelled import batch_of
from tunesmith.model.divergence import item_losses
from tunesmith.model.weighting import check_rows

POSITIONS = 8192  # in one forward pass, padding included


@dataclass
class DatasetMap(Observer):
    """Follows how likely the model finds the label of each training row, and tells in the end which rows it never or sometimes learned.

    Formula: confidence = mean over evaluations of p(y | x), variability = the standard deviation of them; hard rows have the lowest
    confidence, ambiguous ones the highest variability.
    Use when: labels may be wrong (look at the hard rows), or rows are too many (ambiguous ones teach most).
    Cost: memory: 4 bytes for each row and evaluation; time: a pass over the training rows at each evaluation, x1.33 with one an epoch.
    Source: Swayamdipta et al. 2020, "Dataset Cartography: Mapping and Diagnosing Datasets with Training Dynamics", equations 1 and 2.
    Differs: probabilities are taken at evaluations, of all rows by the same weights, rather than while a row is learned.
    """

    num_rows: int = setting(5, "rows of each kind that are told in the end", low=1)

    def begin(self, run: Run) -> None:
        if not hasattr(self, "chances"):
            self.chances = torch.zeros(0, len(run.train))  # (evaluations, items)

    def evaluated(self, run: Run, scores: Mapping[str, Any]) -> None:
        found = torch.zeros(len(run.train))
        rows: Any = run.train
        with torch.no_grad():
            for items in length_batches(rows.lengths, POSITIONS):
                batch = batch_of([rows[item] for item in items.tolist()], run)
                logits, targets = check_rows(run.task.objective(batch, run.forward), len(batch), "dataset_map")
                found[torch.from_numpy(items)] = (-item_losses(logits, targets)).exp().cpu()
        self.chances = torch.cat([self.chances, found[None]])

    def end(self, run: Run, reason: str) -> None:
        if len(self.chances) < 2:
            run.say("dataset_map: there were fewer than two evaluations, so nothing can be told of the rows")
            return
        confidence, variability = cartography(self.chances)
        for kind, order in (("hard", confidence.argsort(stable=True)), ("ambiguous", (-variability).argsort(stable=True))):
            for item in order[: self.num_rows].tolist():
                row = run.train[item]
                about = f"confidence {confidence[item]:.2f}, variability {variability[item]:.2f}"
                text = run.tokenizer.decode(row["input_ids"], skip_special_tokens=True)[:100] if "input_ids" in row else ""
                run.say(f"dataset_map: {kind}: row {row['row']}, {about}: {text}")


def cartography(chances: Tensor) -> tuple[Tensor, Tensor]:
    """Confidence and variability of each item, (items,), from the probability of its label at each evaluation (evaluations, items)."""
    return chances.mean(dim=0), chances.std(dim=0, correction=0)
