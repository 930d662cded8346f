"""What a model makes of encoded rows, as a vector for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tunesmith.core.forward import Forward
from tunesmith.core.task import Task
from tunesmith.data.batches import length_batches
from tunesmith.data.encode import Encoded
from tunesmith.evaluate.score import TOKENS
from tunesmith.model.embed import embed


def vectors(forward: Forward, encoded: Encoded, task: Task, tokenizer: Any, tokens: int = TOKENS) -> npt.NDArray[np.float32]:
    """The mean hidden states of each row, (rows, hidden), in the rows' order; of a row in several parts, the mean of theirs.

    ``forward`` runs a model in evaluation mode. Items of like length go through it together, up to ``tokens`` positions with padding.
    """
    parts: dict[int, npt.NDArray[np.float32]] = {}
    with torch.no_grad(), forward.precision():
        for items in length_batches(encoded.lengths, tokens):
            batch = task.collate([encoded[item] for item in items], tokenizer).to(forward.device)
            parts.update(zip(items.tolist(), embed(forward.module, batch.inputs).cpu().numpy(), strict=True))
    of_row: dict[int, list[npt.NDArray[np.float32]]] = {}
    for item, row in enumerate(encoded.rows.tolist()):
        of_row.setdefault(row, []).append(parts[item])
    return np.stack([np.mean(found, axis=0) for _, found in sorted(of_row.items())])
