"""``tunesmith advise``: from a data file to a model, a recipe, and what it will cost here, before anything is fetched or trained."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
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
from tunesmith.recipes.advise import Advice, Situation, advise, advise_within, exceeded
from tunesmith.recipes.cost import Work, flops, memory
from tunesmith.recipes.find import name_of
from tunesmith.recipes.language import as_languages, languages_of, tokens_of
from tunesmith.recipes.limits import bytes_of, seconds_of
from tunesmith.recipes.pretrained import Pretrained, candidates
from tunesmith.recipes.suggest import Looked, data_lines, heading, look, word

SAMPLED = 500  # rows that are looked at
SHOWN = 4  # models that are shown
SHARE = 0.4  # of the speed of matrix products that training reaches; PaLM reached 0.46 (Chowdhery et al. 2022, section 4.1)
SIDES = (512, 768, 3072)  # of the matrices that are multiplied: tokens, width, and width of a feed-forward layer of BERT
PROBED = 1.0  # seconds
LONG, SHORT = 1800.0, 600.0  # seconds from which a shorter choice is shown beside what is advised, and that may take
FEWER = 0.8  # share of the rows that is tried next, where more take too long
FEWEST = 10  # rows
WRITTEN_ANEW = "AutoModelForSeq2SeqLM"  # of tasks that write a text from another, which may be of another language
TEXTLESS = {"AutoModelForImageClassification", "AutoModelForAudioClassification"}


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
    """A model with the advice for it, and what that costs by estimate: ``seconds`` and bytes of ``memory``.

    ``over``  which limits it does not keep within: memory, time; ``fitting_rows`` as many as would keep within that of time, where more
              do not; None where none do, or all
    """

    model: Pretrained
    place: str
    advice: Advice
    seconds: float
    memory: float
    over: tuple[str, ...] = ()
    fitting_rows: int | None = None

    @property
    def fits(self) -> bool:
        return not self.over

    def changed(self) -> list[str]:
        """What was chosen to keep within the limits, and would not have been chosen else."""
        there = {(decision.topic, decision.choice) for decision in advise(self.advice.situation.roomy()).decisions}
        return [f"{d.topic}: {d.choice}" for d in self.advice.decisions if (d.topic, d.choice) not in there]


@dataclass(frozen=True)
class Recommendation:
    """What ``tunesmith advise`` shows. ``recipe`` is the text to write.

    ``held``     rows that are held out to judge by, beside the ``rows`` to learn from
    ``tokens``   of an average row and of the longest, ``language`` of the texts; None and empty where rows have no text
    ``shorter``  the same model in less time, where what is advised takes long and no time was said
    """

    task: str
    rows: int
    held: int
    tokens: tuple[float, int] | None
    language: str
    speed: Speed
    limits: Limits
    options: list[Option]
    chosen: Option
    recipe: str
    shorter: Option | None = None

    def plain(self) -> dict[str, Any]:
        """JSON values."""

        def option(one: Option) -> dict[str, Any]:
            facts = {"model": one.model.spec, "id": one.model.id, "parameters": one.model.weights, "licence": one.model.licence}
            cost = {"seconds": round(one.seconds, 1), "memory": round(one.memory), "fits": one.fits, "changed": one.changed()}
            cost |= {"over": one.over, "fitting_rows": one.fitting_rows}
            return {**facts, "note": one.model.note, "place": one.place, **cost}

        data = {"task": self.task, "rows": self.rows, "held": self.held, "tokens": self.tokens, "language": self.language}
        advice = {"strategies": self.chosen.advice.strategies, "training": self.chosen.advice.training}
        return {
            "data": data,
            "models": [option(one) for one in self.options],
            "chosen": option(self.chosen),
            "shorter": option(self.shorter) if self.shorter else None,
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
    rows = spread(found.data)
    texts = [" ".join(strings(row)) for row in rows]
    told = languages(found, rows, language)
    speed = measured()
    counts = [tokens_of(text) for text in texts]
    known = candidates(name_of(found.task), list(dict.fromkeys(one for column in told for one in column)))
    options = [option(found, model, place, (counts, speed, limits)) for model, place in known]
    chosen = next((one for one in options if one.fits), options[0])
    quick = replace(limits, seconds=SHORT)
    long = limits.seconds is None and chosen.fits and chosen.seconds > LONG
    held = [part for part in (found.data.validation, found.data.test) if part is not None]
    return Recommendation(
        task=name_of(found.task),
        rows=len(found.data.train),
        held=sum(map(len, held)),
        tokens=(float(np.mean(counts)), round(max(counts))) if told else None,
        language=" to ".join(dict.fromkeys(", ".join(column) for column in told)),
        speed=speed,
        limits=limits,
        options=options,
        chosen=chosen,
        recipe="\n".join(recipe_lines(found, chosen)) + "\n",
        shorter=option(found, chosen.model, chosen.place, (counts, speed, quick)) if long else None,
    )


def languages(found: Looked, rows: Sequence[Any], given: str = "") -> list[list[str]]:
    """The languages of the texts: those that are ``given``, or that letters tell; nothing where there are none.

    One list, or where a text is written from another one for each of them. Raises ``InputError`` for what is given and is none.
    """
    auto = found.task.head().auto
    if given:
        return [as_languages(given)]
    if auto in TEXTLESS:
        return []
    if auto == WRITTEN_ANEW:
        texts = [[" ".join(strings(value)) for value in column] for column in zip(*(row.values() for row in rows), strict=True)]
        return [languages_of(column) for column in texts]
    return [languages_of(" ".join(strings(row)) for row in rows)]


def option(found: Looked, model: Pretrained, place: str, known: tuple[Sequence[float], Speed, Limits]) -> Option:
    """The advice for one model, and its cost."""
    counts, speed, limits = known
    around_it = around(found.task, found.data, model.model, model.sentences)
    situation = replace(around_it, means=model.means, parameters=model.weights, dropout=model.dropout)
    work = work_for(found, model, counts, speed.item)
    rate = SHARE * speed.flops
    most = {"memory": limits.memory} | ({} if limits.seconds is None else {"flops": limits.seconds * rate})
    advice = advise_within(situation, work, most)
    done = work.with_training(advice.training, advice.situation.epochs)
    seconds, held = flops(done, advice.effort) / rate, memory(done, advice.effort)
    over = tuple(exceeded(advice, work, most))
    rows = fitting_rows(situation, work, most) if over == ("tight_time",) else None
    return Option(model, place, advice, seconds, held, over, rows)


def fitting_rows(situation: Situation, work: Work, most: Mapping[str, float]) -> int | None:
    """As many rows as can be learned from within the limits, to two digits; None where not even a few can."""
    rows = work.rows * FEWER
    while rows >= FEWEST:
        share = rows / work.rows
        fewer = replace(situation, rows=int(rows), shots=situation.shots * share)
        there = replace(work, rows=int(rows))
        if not exceeded(advise_within(fewer, there, most), there, most):
            return int(float(f"{rows:.1e}"))
        rows *= FEWER
    return None


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
