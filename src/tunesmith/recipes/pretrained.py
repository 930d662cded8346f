"""Pre-trained models to begin with: a table in ``pretrained.yaml``, and which of them are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tunesmith.recipes import yaml

TABLE = "pretrained.yaml"
MANY = "many"  # languages


@dataclass(frozen=True)
class Pretrained:
    """A row of the table; ``pretrained.yaml`` says what is what."""

    id: str
    model: str
    tasks: list[str]
    languages: list[str]
    parameters: float
    vocabulary: int
    layers: int
    width: int
    length: int
    dropout: bool
    safetensors: bool
    licence: str
    note: str
    sample: str = ""
    positions: int = 0
    sentences: bool = False
    means: bool = False

    @property
    def spec(self) -> str:
        """What a recipe calls it."""
        return f"sample:{self.sample}" if self.sample else self.id

    @property
    def weights(self) -> int:
        return round(self.parameters * 1e6)

    @property
    def inner(self) -> int:
        """Weights within the layers: all but the embeddings of tokens."""
        return self.weights - self.vocabulary * self.width

    def knows(self, language: str) -> bool:
        return language in self.languages or MANY in self.languages


@cache
def pretrained() -> tuple[Pretrained, ...]:
    """The table, in its order."""
    text = (files("tunesmith.recipes") / TABLE).read_text(encoding="utf-8")
    return tuple(Pretrained(**row) for row in yaml.parse(text, TABLE)[0])


def place(model: Pretrained) -> str:
    """Where its weights are now: ``here``, ``sample`` (a package to be fetched), or ``hub``."""
    from huggingface_hub import try_to_load_from_cache

    from tunesmith.samples.catalogue import SAMPLES
    from tunesmith.samples.fetch import cache as cache_folder
    from tunesmith.samples.fetch import intact

    if model.sample:
        return "here" if intact(cache_folder() / "samples" / model.sample, SAMPLES[model.sample]) else "sample"
    return "here" if isinstance(try_to_load_from_cache(model.id, "model.safetensors"), str) else "hub"


def candidates(task: str, languages: Sequence[str]) -> list[tuple[Pretrained, str]]:
    """The models for a task and languages with their places, the best first; those of other languages where none knows any of these.

    What knows all of the languages goes before what knows one, what is at hand before what the hub would have to give, safetensors before
    what may be a pickle, and a model of the language before one of many.
    """
    suited = [model for model in pretrained() if task in model.tasks]
    known = [model for model in suited if any(map(model.knows, languages))] or suited
    order: Sequence[str] = ("here", "sample", "hub")

    def rank(pair: tuple[Pretrained, str]) -> tuple[bool | int, ...]:
        model, where = pair
        own = any(language in model.languages for language in languages)
        return not all(map(model.knows, languages)), order.index(where), not model.safetensors, not own

    return sorted(((model, place(model)) for model in known), key=rank)
