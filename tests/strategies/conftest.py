"""A toy model of three layers with its table of parameters written by hand, and a run around it, for the tests of every strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.param import Param
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy

LAYERS = 3


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Linear(6, 6)
        self.mlp = nn.Linear(6, 6)
        self.norm = nn.LayerNorm(6)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.norm(hidden + self.mlp(torch.tanh(self.attention(hidden))))


class Toy(nn.Module):
    """Ids (batch, length) to logits (batch, 4): embeddings, three layers, dropout, a norm and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(11, 6)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.dropout = nn.Dropout(0.5)
        self.final = nn.LayerNorm(6)
        self.classifier = nn.Linear(6, 4)

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(self, ids: Tensor) -> Tensor:
        hidden = self.embeddings(ids)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.classifier(self.dropout(self.final(hidden.mean(dim=1))))


def param_of(name: str, shape: Sequence[int]) -> Param:
    place = name.split(".")
    kind = {"embeddings": "embedding", "classifier": "head", "final": "norm"}.get(place[0]) or place[2]
    depth = {"embeddings": 0, "layers": 1 + int(place[1]) if place[0] == "layers" else 0}.get(place[0], LAYERS + 1)
    return Param(name, tuple(shape), depth, LAYERS, kind, bias=place[-1] == "bias")


@pytest.fixture
def toy() -> Toy:
    torch.manual_seed(0)
    return Toy()


@pytest.fixture
def said() -> list[str]:
    """What the run told the user."""
    return []


@pytest.fixture
def run(toy: Toy, said: list[str]) -> Run:
    """A run of 40 steps, 10 in an epoch, at its start; everything learns."""
    params = {name: param_of(name, w.shape) for name, w in toy.named_parameters()}
    task = SimpleNamespace(primary="accuracy", higher_is_better=True, objective=cross_entropy)
    return Run(toy, task, Forward(toy), Clock(0, 40, 10), torch.device("cpu"), 0, said.append, params=params)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 11, (5, 3), generator=generator)
    return Batch({"ids": ids}, {"labels": torch.tensor([0, 3, 1, 2, 3])}, torch.arange(5), tokens=15)


def cross_entropy(batch: Batch, forward: Forward) -> Loss:
    """The objective of the toy model."""
    logits, labels = forward(batch), batch.targets["labels"]
    return Loss(F.cross_entropy(logits, labels, reduction="sum"), len(batch), logits, labels)


@pytest.fixture
def objective(run: Run) -> Callable[[Batch], Loss]:
    """The cross-entropy of the toy model, as the innermost ``loss``."""
    return lambda batch: cross_entropy(batch, run.forward)


def mean_gradients(run: Run, objective: Callable[[Batch], Loss]) -> Callable[[Sequence[Batch]], Loss]:
    """Mean gradients of the toy model, as the innermost ``gradient``: the same dropout masks at each call."""

    def inner(batches: Sequence[Batch]) -> Loss:
        run.model.zero_grad()
        torch.manual_seed(7)
        total = Loss(torch.zeros(()), 0)
        for run.micro, batch in enumerate(batches):
            loss = objective(batch)
            loss.sum.backward()
            total = Loss(total.sum + loss.sum.detach(), total.count + loss.count)
        for w in run.model.parameters():
            if w.grad is not None:
                w.grad /= total.count
        return total

    return inner


@pytest.fixture
def backward(run: Run, objective: Callable[[Batch], Loss]) -> Callable[[Sequence[Batch]], Loss]:
    """The innermost ``gradient``."""
    return mean_gradients(run, objective)


@pytest.fixture
def around(run: Run, objective: Callable[[Batch], Loss]) -> Callable[[Strategy], Callable[[Sequence[Batch]], Loss]]:
    """The innermost ``gradient`` with the ``loss`` of a strategy around the objective."""
    return lambda strategy: mean_gradients(run, lambda batch: strategy.loss(batch, run, objective))


@pytest.fixture
def above(toy: Toy) -> Callable[[Tensor], Tensor]:
    """Embeddings to logits: the toy model above its embeddings, in evaluation mode from here on."""
    toy.eval()

    def logits(embedded: Tensor) -> Tensor:
        for layer in toy.layers:
            embedded = layer(embedded)
        return toy.classifier(toy.final(embedded.mean(dim=1)))

    return logits
