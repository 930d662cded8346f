"""Dataset map: which training rows are easy, hard or ambiguous, as training itself shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from tunesmith.core.observer import Observer
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.data.batches import length_batches
from tunesmith.data.examples import Examples, truths
from tunesmith.data.unlabelled import batch_of
from tunesmith.model.divergence import item_losses
from tunesmith.model.weighting import check_rows

POSITIONS = 8192  # in one forward pass, padding included
DRAWN = 200  # rows that the chart has room for, evenly among all
TONES = {"training rows": "base", "hard": "second", "ambiguous": "tuned"}


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

    needs: ClassVar[frozenset[str]] = frozenset({"logits of whole rows"})

    def begin(self, run: Run) -> None:
        self._sections: Sequence[Mapping[str, Any]] = ()
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
        told, places = [], list(zip(variability.tolist(), confidence.tolist(), strict=True))
        kinds = {"hard": confidence.argsort(stable=True), "ambiguous": (-variability).argsort(stable=True)}
        chosen = {kind: order[: self.num_rows].tolist() for kind, order in kinds.items()}
        for kind, item in ((kind, item) for kind, items in chosen.items() for item in items):
            row = run.train[item]
            place, label = named(run.train, row["row"])
            about = {**label, "confidence": f"{confidence[item]:.2f}", "variability": f"{variability[item]:.2f}"}
            text = run.tokenizer.decode(row["input_ids"], skip_special_tokens=True) if "input_ids" in row else ""
            run.say(f"dataset_map: {kind}: {place}, {', '.join(map(' '.join, about.items()))}: {text[:100]}")
            tags = [(name, value, "plain") for name, value in about.items()]
            told.append({"name": f"{kind}: {place}", "text": text, "tags": tags})
        some = range(0, len(places), -(-len(places) // DRAWN))
        self._sections = drawn({"training rows": some, **chosen}, places), rows_of(told)

    def sections(self) -> Sequence[Mapping[str, Any]]:
        return self._sections


def named(items: Any, row: int) -> tuple[str, dict[str, str]]:
    """The file and line of an example, and its truth as it stands there; only its number where the items are not from data."""
    examples: Examples | None = items.examples
    if examples is None:
        return f"row {row}", {}
    raw, (file, line) = examples.raw(row), examples.place(row)
    return f"{file}:{line}", {role: str(raw[role]) for role in truths(examples.rows, examples.task)}


def cartography(chances: Tensor) -> tuple[Tensor, Tensor]:
    """Confidence and variability of each item, (items,), from the probability of its label at each evaluation (evaluations, items)."""
    return chances.mean(dim=0), chances.std(dim=0, correction=0)


def drawn(kinds: Mapping[str, Iterable[int]], places: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """The map as a section of the report: variability and confidence of the items of each kind."""
    series = [
        {"name": kind, "points": [places[item] for item in items], "style": "points", "tone": TONES[kind]} for kind, items in kinds.items()
    ]
    about = "Confidence, upwards, is the mean probability of a row's label over the evaluations; variability is their standard deviation."
    data = {"series": series, "x": "variability"}
    return {"title": "Dataset map", "kind": "lines", "data": data, "about": about, "group": "Data", "wide": True}


def rows_of(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The rows that are told as a section of the report."""
    about = "The model hardly believed the label of a hard row, which may be wrong; that of an ambiguous one it learned and unlearned."
    return {"title": "Hard and ambiguous rows", "kind": "texts", "data": {"items": items}, "about": about, "group": "Data", "wide": True}
