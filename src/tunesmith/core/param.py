"""A parameter as a plan sees it, and the rule a plan gives it: does it learn, and how fast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Param:
    """What is known of one weight tensor, for strategies that decide by place and kind.

    ``depth``    0 embeddings, 1 to ``layers`` the transformer layers from the bottom, ``layers`` + 1 the head
    ``layers``   how many transformer layers the model has
    ``kind``     embedding, attention, mlp, norm, head, other
    ``bias``     whether it is an additive bias
    ``added``    whether a strategy's ``adapt`` made it: an adapter's weight, for example
    ``fresh``    whether no file held it, so that it starts at random: a new head's weight
    """

    name: str
    shape: tuple[int, ...]
    depth: int
    layers: int
    kind: str
    bias: bool = False
    added: bool = False
    fresh: bool = False

    @property
    def head(self) -> bool:
        return self.depth > self.layers

    @property
    def size(self) -> int:
        number = 1
        for side in self.shape:
            number *= side
        return number


@dataclass(frozen=True)
class Rule:
    """How one parameter learns now.

    ``learns``  whether it changes at all
    ``rate``    multiple of the run's learning rate, >= 0
    ``decay``   multiple of the run's weight decay, >= 0
    """

    learns: bool = True
    rate: float = 1.0
    decay: float = 1.0
