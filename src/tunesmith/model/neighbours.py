"""A classifier that remembers rows: its probabilities are mixed with the classes of those nearest to what it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.body import body, recorded, whole
from tunesmith.model.contrastive import sentences

ABOUT, WEIGHTS = "neighbours.json", "neighbours.safetensors"
FILES = (ABOUT, WEIGHTS)
NAME = "neighbours"  # the attribute of a model that holds them

Rows = tuple[Tensor, Tensor]  # vectors (rows, hidden) of length 1 in float32, classes (rows,) int64


@dataclass(frozen=True)
class Mixing:
    """How much neighbours say, how many there are, how fast what they say fades, and of what vectors are: see ``READ``."""

    strength: float
    num_neighbours: int
    temperature: float
    vector: str


@dataclass
class Neighbours:
    """The rows that a model remembers, as it sees them.

    ``collect``  makes ``rows`` anew, by the model as it is; None where they came from a file
    ``resting``  whether the model answers alone
    """

    mixing: Mixing
    collect: Callable[[], Rows] | None = None
    rows: Rows | None = None
    resting: bool = True
    _weights: list[tuple[int, int]] = field(default_factory=list)
    _seen: Any = None

    def put_on(self, module: nn.Module) -> None:
        """Let a model with a head answer with neighbours whenever it is in evaluation mode and makes no gradients."""
        inner = body(module)
        assert inner is not None
        setattr(module, NAME, self)
        inner.register_forward_hook(self._note)
        module.register_forward_hook(self._mix, with_kwargs=True)

    def asked(self, strength: float, answers: Callable[[], Any]) -> Any:
        """What ``answers`` gives while neighbours have that share."""
        before, self.mixing = self.mixing, replace(self.mixing, strength=strength)
        try:
            return answers()
        finally:
            self.mixing = before

    def settle(self, strength: float, module: nn.Module) -> float:
        """Give neighbours that share from now on, which is returned; with none the model answers alone, and no row is kept."""
        self.mixing = replace(self.mixing, strength=strength)
        if not strength:
            self.resting, self.rows = True, None
            delattr(module, NAME)
        return strength

    def forget(self) -> None:
        """The weights are others now: the rows are to be seen anew when they are needed."""
        self._weights = []

    def refresh(self, module: nn.Module) -> None:
        """See the rows anew where the weights have changed, outside of any pass: within one, layers may be stood in for."""
        weights = [(weight.data_ptr(), weight._version) for weight in module.parameters()]
        if self.collect is None or self.resting or weights == self._weights:
            return
        self.resting = True
        self.rows, self._weights = self.collect(), weights
        self.resting = False

    def _mixes(self, module: nn.Module) -> bool:
        return not (self.resting or self.rows is None or module.training or torch.is_grad_enabled())

    def _note(self, inner: nn.Module, inputs: Any, output: Any) -> None:
        self._seen = output if self._mixes(inner) else None

    def _mix(self, module: nn.Module, inputs: Any, named: Mapping[str, Tensor], output: Any) -> Any:
        if self._seen is None or self.rows is None:
            return output
        seen, self._seen = self._seen, None
        vectors, classes = (tensor.to(output.logits.device) for tensor in self.rows)
        asked = sentences(seen, named, whole(module).config, self.mixing.vector)
        output.logits = mixed(output.logits.float(), asked, vectors, classes, self.mixing)
        return output


def mixed(logits: Tensor, asked: Tensor, vectors: Tensor, classes: Tensor, mixing: Mixing) -> Tensor:
    """Logits (batch, classes) whose softmax is ``(1 - strength) softmax(logits) + strength p``; ``asked`` (batch, hidden) has length 1.

    p of a class is the share of the k nearest rows that are of it, each weighing ``exp(-d / temperature)``, d being the squared distance.
    """
    with torch.autocast(logits.device.type, enabled=False):  # bfloat16 does not tell near rows apart
        nearest = (asked.float() @ vectors.float().T).topk(min(mixing.num_neighbours, len(vectors)), dim=1)
    weights = ((2 * nearest.values - 2) / mixing.temperature).softmax(dim=1)  # of vectors of length 1, d = 2 - 2 cos
    shares = torch.zeros_like(logits).scatter_add_(1, classes[nearest.indices], weights)
    chances = (1 - mixing.strength) * logits.softmax(dim=1) + mixing.strength * shares
    return chances.clamp_min(torch.finfo(chances.dtype).tiny).log()


def vectors_of(module: nn.Module, call: Callable[[], Any], inputs: Mapping[str, Tensor], how: str) -> Tensor:
    """What a model makes of a batch on its way to an answer, as vectors of length 1: (batch, hidden)."""
    inner = body(module)
    assert inner is not None
    with torch.no_grad(), recorded(inner) as outputs:
        call()
    return sentences(outputs[-1], inputs, whole(module).config, how)


def refresh(module: nn.Module) -> None:
    """Bring the neighbours of a model, where it has any, up to date with its weights, before it is asked."""
    own: Neighbours | None = getattr(module, NAME, None)
    if own is not None:
        own.refresh(module)


def write(module: nn.Module, folder: Path) -> None:
    """Write the neighbours of a model, where it has any, beside its weights."""
    refresh(module)
    own: Neighbours | None = getattr(module, NAME, None)
    if own is None or own.rows is None:
        return
    vectors, classes = own.rows
    save_file({"vectors": vectors.cpu().contiguous(), "classes": classes.cpu().contiguous()}, folder / WEIGHTS, {"format": "pt"})
    about = {"mixing": asdict(own.mixing), "loads": "tunesmith.load; other libraries answer without the neighbours"}
    (folder / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")


def lost(folder: Path) -> str:
    """What other libraries leave out of the model in ``folder``, in a sentence; nothing where it has no neighbours."""
    if not (folder / ABOUT).is_file():
        return ""
    return "tunesmith.load mixes the labels of the nearest training rows into its answers; other libraries load the model without them."


def read(module: nn.Module, folder: Path) -> None:
    """Let a model answer with the neighbours that ``write`` wrote into ``folder``, if any. Raises ``InputError`` for others."""
    if not (folder / ABOUT).is_file():
        return
    try:
        mixing = Mixing(**json.loads((folder / ABOUT).read_text(encoding="utf-8"))["mixing"])
        found = load_file(folder / WEIGHTS)
        Neighbours(mixing, rows=(found["vectors"], found["classes"]), resting=False).put_on(module)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(Problem(f"the neighbours cannot be read ({error})", "Copy the folder again", str(folder))) from error
