"""What a model makes of its inputs, as vectors: the mean of the last hidden states of its backbone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.run import Run
from tunesmith.model.body import mean_state, whole
from tunesmith.model.domains import judging


@torch.no_grad()
def embed(module: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    """The vectors of a batch, (batch, hidden) in float32: the mean over real positions, so that padding changes nothing.

    ``module`` is a model with any head, or with an adapter, in evaluation mode; ``inputs`` are the keywords of its ``forward``, on its
    device. An encoder-decoder gives the states of its encoder.
    """
    backbone = whole(module).base_model
    if backbone.config.is_encoder_decoder:
        backbone, inputs = backbone.get_encoder(), {name: value for name, value in inputs.items() if not name.startswith("decoder_")}
    return mean_state(backbone, backbone(**inputs).last_hidden_state, inputs)


def features(run: Run, batches: Iterable[tuple[Sequence[int], Batch]]) -> npt.NDArray[np.float64]:
    """The vectors of rows by the model of a run as it is, (rows, hidden), from batches and the numbers of the rows in each."""
    found: dict[int, npt.NDArray[np.float64]] = {}
    with judging(run.model), run.forward.precision():
        for rows, batch in batches:
            found.update(zip(rows, embed(run.model, batch.inputs).double().cpu().numpy(), strict=True))
    return np.stack([found[row] for row in range(len(found))])
