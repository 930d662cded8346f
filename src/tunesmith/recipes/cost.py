"""What training costs, by arithmetic alone: floating-point operations and bytes, before any model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

FLOAT = 4  # bytes of a weight, a gradient or a moment
MOMENTS = {"adamw": 2, "adamw_8bit": 0.5, "sgd": 1, "adafactor": 0}  # values that an optimizer keeps for a weight, by and large
COPIES = 2  # of what learns, beside it: the best weights, and those that are shipped
RUNTIME = 700e6  # bytes of Python, torch and transformers themselves, about
HEAD_SIZE = 64  # width of an attention head


@dataclass(frozen=True)
class Effort:
    """What a step does: the shares of the layers that gradients pass and of the weights that learn, and how often a batch is computed."""

    gradients: float = 1.0
    learns: float = 1.0
    passes: float = 1.0

    def after(self, gradients: float = 1.0, learns: float = 1.0, passes: float = 1.0) -> Effort:
        """The effort when a rule changes it."""
        return Effort(min(self.gradients, gradients), min(self.learns, learns), self.passes * passes)


@dataclass(frozen=True)
class Work:
    """What is to be done, and with what.

    ``parameters``  all weights; ``inner`` those within the layers; ``layers`` and ``width`` of the model
    ``vocabulary``  tokens that a position is compared with, in a language model; 0 elsewhere
    ``rows``        of the training data, ``judged`` of validation; ``tokens`` of an average row, ``longest`` of the longest
    ``item``        bytes of a number in the forward pass
    ``together``    positions that go through the model at once at the most, or as many as the micro-batch has
    """

    parameters: int
    inner: int
    layers: int
    width: int
    rows: int
    tokens: float
    longest: int
    vocabulary: int = 0
    judged: int = 0
    epochs: float = 3.0
    batch_size: int = 16
    micro_batch: int | None = None
    optimizer: str = "adamw"
    item: int = 4
    together: int | None = None

    def with_training(self, training: Mapping[str, Any], epochs: float) -> Work:
        """The work with what was chosen: ``epochs`` where it is above 0, and the micro-batch."""
        micro = training.get("micro_batch", self.micro_batch)
        return replace(self, epochs=epochs or self.epochs, micro_batch=micro)


def flops(work: Work, effort: Effort) -> float:
    """Floating-point operations of training and its evaluations.

    A forward pass takes 2 for each weight in a layer and token (Kaplan et al. 2020, section 2.1), and attention 4 * width for each pair
    of tokens. Gradients take as many for the layers that they pass, and again for what learns. What lies below is computed once.
    """
    forward = 2.0 * work.inner + 4.0 * work.layers * work.width * work.tokens  # of a token
    output = 2.0 * work.vocabulary * work.width * (2 + (effort.learns > 0))
    times = effort.passes * work.epochs * (2 * effort.gradients + effort.learns) + (1 - effort.gradients)
    judging = work.judged * work.epochs * (forward + 2.0 * work.vocabulary * work.width)
    return work.tokens * (work.rows * (forward * times + output * effort.passes * work.epochs) + judging)


def memory(work: Work, effort: Effort) -> float:
    """The most bytes that are held: weights, those of the base that is judged, gradients, moments, copies, and activations.

    A layer keeps 34 + 5 * heads * length / width numbers of 2 bytes, times width, for each token (Korthikanti et al. 2022, equation 2).
    """
    learned = effort.learns * work.inner + (work.parameters - work.inner if effort.learns == 1 else 0)
    held = (1 + MOMENTS[work.optimizer] + COPIES) * learned + 2 * work.parameters
    rows = min(work.micro_batch or work.batch_size, work.batch_size, work.rows)
    tokens = effort.passes * min(rows * work.longest, max(work.longest, work.together or rows * work.longest))
    layer = work.width * (34 + 5 * work.longest / HEAD_SIZE) * work.item / 2
    output = 2 * work.vocabulary * FLOAT
    return RUNTIME + FLOAT * held + tokens * (layer * max(1.0, work.layers * effort.gradients) + output)
