"""Mean pooling: a head that reads the first token reads the mean of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.model.mean_layer import end_in_mean


@dataclass
class MeanPooling(Strategy):
    """Adds a layer of fixed weights that gives every position the mean of all, for heads that read the first token.

    Formula: y_i = norm(30 m + h_i), m the mean of the last states h over the real positions, norm a layer norm of gain 1 and shift 0.
    Use when: the model compares texts by the mean of its states, and rows are few or classes many. E5 says little of a text at the first
    token; few_shot teaches the mean, which it lets the head read: 63.3% with it, 54.3% without, with 8 rows of each of 20 topics
    (benchmarks/README.md).
    Cost: memory x1.0, time x1.01 to x1.07: the layer is passed without its products, which are by 0 and by the identity.
    Source: Reimers and Gurevych 2019, "Sentence-BERT", section 3 and table 6, for the pooling.
    Differs: pooling is a transformer layer, whose keys are 0, whose values are the states and whose feed-forward part is 0, so that the
    saved folder is one of the family that any library loads, with a layer more, which is part of the head and learns nothing, in later
    stages too; ModernBERT has a setting for it. Families whose layers end without a norm, and decoders, are refused, as are tasks and
    losses that read single tokens of such a model.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "labels of whole texts"})
    # an adapter would be saved without the layer
    owns: ClassVar[frozenset[str]] = frozenset({"which pre-trained weights learn", "the last state of each token"})

    def adapt(self, model: nn.Module) -> nn.Module:
        self._added = end_in_mean(model)
        return model

    def begin(self, run: Run) -> None:
        how = "by a layer that is added" if self._added else "for which no layer is added"
        run.say(f"mean_pooling: the head reads the mean of all states of a text, {how}")
