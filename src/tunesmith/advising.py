"""``tunesmith advise``: from a data file to a model, a recipe, and what it will cost here, before anything is fetched or trained."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunesmith.checking import memory_here
from tunesmith.data.load import Data
from tunesmith.deciding import WRITING, around
from tunesmith.engine.precision import choose, device
from tunesmith.engine.settings import ENOUGH
from tunesmith.recipes import yaml
from tunesmith.recipes.advise import Advice, advise, advise_within, exceeded
from tunesmith.recipes.cost import Work, flops, memory
from tunesmith.recipes.find import name_of
from tunesmith.recipes.language import language_of, tokens_of
from tunesmith.recipes.limits import bytes_of, seconds_of
from tunesmith.recipes.pretrained import Pretrained, candidates
from tunesmith.recipes.suggest import Looked, data_lines, heading, look, word

SAMPLED = 500  # rows that are looked at
SHOWN = 4  # models that are shown
SHARE = 0.4  # of the speed of matrix products that training reaches; PaLM reached 0.46 (Chowdhery et al. 2022, section 4.1)
SIDES = (512, 768, 3072)  # of the matrices that are multiplied: tokens, width, and width of a feed-forward layer of BERT
PROBED = 1.0  # seconds


@dataclass(frozen=True)
class Limits:
    """Bytes and seconds that training may take; where no time is said there is enough."""

    memory: float
    seconds: float | None = None


@dataclass(frozen=True)
class Speed:
    """Floating-point operations a second of matrix products here, in the number format ``dtype`` of ``item`` bytes."""

    flops: float
    dtype: str
    item: int


@dataclass(frozen=True)
class Option:
    """A model with the advice for it, and what that costs by estimate: ``seconds`` and bytes of ``memory``."""

    model: Pretrained
    place: str
    advice: Advice
    seconds: float
    memory: float
    fits: bool

    def changed(self) -> list[str]:
        """What was chosen to keep within the limits, and would not have been chosen else."""
        there = {(decision.topic, decision.choice) for decision in advise(self.advice.situation.roomy()).decisions}
        return [f"{d.topic}: {d.choice}" for d in self.advice.decisions if (d.topic, d.choice) not in there]


@dataclass(frozen=True)
class Recommendation:
    """What ``tunesmith advise`` shows. ``tokens`` are of an average row and of the longest; ``recipe`` is the text to write."""

    task: str
    rows: int
    tokens: tuple[float, int]
    language: str
    speed: Speed
    limits: Limits
    options: list[Option]
    chosen: Option
    recipe: str

    def plain(self) -> dict[str, Any]:
        """JSON values."""

        def option(one: Option) -> dict[str, Any]:
            facts = {"model": one.model.spec, "id": one.model.id, "parameters": one.model.weights, "licence": one.model.licence}
            cost = {"seconds": round(one.seconds, 1), "memory": round(one.memory), "fits": one.fits, "changed": one.changed()}
            return {**facts, "note": one.model.note, "place": one.place, **cost}

        data = {"task": self.task, "rows": self.rows, "tokens": self.tokens, "language": self.language}
        advice = {"strategies": self.chosen.advice.strategies, "training": self.chosen.advice.training}
        return {
            "data": data,
            "models": [option(one) for one in self.options],
            "chosen": option(self.chosen),
            "advice": {**advice, "decisions": [asdict(decision) for decision in self.chosen.advice.decisions]},
            "speed": asdict(self.speed),
            "limits": asdict(self.limits),
            "recipe": self.recipe,
        }


def limits_of(memory: str | None, seconds: str | None) -> Limits:
    """Limits as people write them; memory is all that the machine has when it is not said. Raises ``InputError``."""
    return Limits(bytes_of(memory) if memory else memory_here(), seconds_of(seconds) if seconds else None)


def recommend(spec: str, limits: Limits | None = None, task: str = "", language: str = "", base: Path | None = None) -> Recommendation:
    """Look at the rows that ``spec`` names, and choose a model and how to tune it. Nothing is fetched.

    ``limits`` are those of the machine where none are said, ``task`` and ``language`` are told by the rows. Raises ``InputError`` for
    rows that no task fits.
    """
    found = look(spec, base, task)
    limits = limits or Limits(memory_here())
    texts = [" ".join(strings(row)) for row in spread(found.data)]
    language = language or language_of(texts)
    speed = measured()
    counts = [tokens_of(text) for text in texts]
    options = [option(found, model, place, (counts, speed, limits)) for model, place in candidates(name_of(found.task), language)]
    chosen = next((one for one in options if one.fits), min(options, key=lambda one: not one.fits))
    tokens = (float(np.mean(counts)), round(max(counts)))
    return Recommendation(
        task=name_of(found.task),
        rows=len(found.data.train),
        tokens=tokens,
        language=language,
        speed=speed,
        limits=limits,
        options=options,
        chosen=chosen,
        recipe="\n".join(recipe_lines(found, chosen)) + "\n",
    )


def option(found: Looked, model: Pretrained, place: str, known: tuple[Sequence[float], Speed, Limits]) -> Option:
    """The advice for one model, and its cost."""
    counts, speed, limits = known
    situation = replace(around(found.task, found.data, model.model, model.sentences), parameters=model.weights, dropout=model.dropout)
    work = work_for(found, model, counts, speed.item)
    rate = SHARE * speed.flops
    most = {"memory": limits.memory} | ({} if limits.seconds is None else {"flops": limits.seconds * rate})
    advice = advise_within(situation, work, most)
    done = work.with_training(advice.training, advice.situation.epochs)
    seconds, held = flops(done, advice.effort) / rate, memory(done, advice.effort)
    return Option(model, place, advice, seconds, held, not exceeded(advice, work, most))


def work_for(found: Looked, model: Pretrained, counts: Sequence[float], item: int) -> Work:
    """What there is to do with a model; ``counts`` are tokens of some rows, which the task or the model may cut."""
    longest = min(getattr(found.task, "max_length", None) or model.length, model.length)
    lengths = [model.positions or min(count, longest) for count in counts]
    return Work(
        parameters=model.weights,
        inner=model.inner,
        layers=model.layers,
        width=model.width,
        rows=len(found.data.train),
        tokens=float(np.mean(lengths)),
        longest=round(max(lengths)),
        vocabulary=model.vocabulary if found.task.head().auto in WRITING else 0,
        judged=0 if found.data.validation is None else len(found.data.validation),
        item=item,
        together=ENOUGH if device().type == "cpu" else None,
    )


def measured() -> Speed:
    """How fast matrix products are here, in the number format of the forward pass: the fastest of some, since others use the machine."""
    where = device()
    dtype = choose("auto", where)
    tokens, width, wide = SIDES
    left, right = torch.ones(tokens, width, dtype=dtype, device=where), torch.ones(width, wide, dtype=dtype, device=where)
    best, end = float("inf"), time.perf_counter() + PROBED
    while time.perf_counter() < end or best == float("inf"):
        began = time.perf_counter()
        float((left @ right)[0, 0])  # asking for a number waits for a GPU
        best = min(best, time.perf_counter() - began)
    return Speed(2.0 * tokens * width * wide / best, str(dtype).removeprefix("torch."), dtype.itemsize)


def spread(data: Data) -> list[Any]:
    """The values of some training rows, from all over them."""
    places = np.unique(np.linspace(0, len(data.train) - 1, min(len(data.train), SAMPLED)).astype(int))
    return [data.train.raw(int(place)) for place in places]


def strings(value: Any) -> Iterator[str]:
    """All texts in nested lists and dictionaries."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def recipe_lines(found: Looked, chosen: Option) -> Iterator[str]:
    """The recipe, its reasons as comments."""
    model, advice = chosen.model, chosen.advice
    yield from heading(found)
    yield "# Why it is as it is:"
    yield from (f"#   {decision}" for decision in advice.decisions)
    yield "# Then: tunesmith check FILE (what it costs, from real steps), tunesmith train FILE."
    yield ""
    yield f"model: {word(model.spec)}  # {model.parameters:g} M parameters, {model.licence}; {model.note}"
    yield f"task: {name_of(found.task)}"
    yield ""
    yield from data_lines(found)
    yield ""
    yield from yaml.write(
        {"strategies": [{name: values} if values else name for s in advice.strategies for name, values in s.items()]}
    ).splitlines()
    yield ""
    yield from yaml.write({"training": {**advice.training, "batch_size": 16}}).splitlines()
    yield ""
    yield "seed: 0"
