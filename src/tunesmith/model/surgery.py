"""Choosing parameters by name, and saying how many were chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import groupby

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.param import Param

SOFT_PROMPT = "prompt_encoder."  # in the names of learned tokens, keys and values, as peft has them
_WILD = "*?["


def matching(params: Mapping[str, Param], patterns: Sequence[str]) -> set[str]:
    """The names that any of the patterns chooses.

    A pattern with ``*``, ``?`` or ``[...]`` must match a whole name: ``*.layer.[0-3].*``. Any other is a part of a name:
    ``attention.output``. Raises ``InputError`` for all patterns together that choose nothing.
    """
    chosen = {pattern: {name for name in params if _matches(name, pattern)} for pattern in patterns}
    barren = [pattern for pattern, names in chosen.items() if not names]
    if barren:
        raise InputError(*(Problem(f"No parameter matches '{pattern}'", _remedy(pattern, params)) for pattern in barren))
    return set().union(*chosen.values())


def check_layers(given: int, layers: int, what: str) -> None:
    """Raise ``InputError`` where a setting is about more layers than a model has; ``what`` they cannot do."""
    if given > layers:
        raise InputError(Problem(f"{given} layers cannot {what}, the model has {layers}", f"Give 0 to {layers}"))


def summary(params: Iterable[Param]) -> str:
    """Where the parameters are and how many: ``embeddings 11.9 M, layers 1-6 10.6 M, head 0.8 k``; ``none`` where there are none."""
    return ", ".join(f"{place} {amount(size)}" for place, size in places(params).items()) or "none"


def places(params: Iterable[Param]) -> dict[str, int]:
    """Where the parameters are, from the bottom up, and how many are there: soft prompt, embeddings, layers 1-6, head."""
    every = list(params)
    prompts = [param for param in every if SOFT_PROMPT in param.name]
    by_depth = sorted((param for param in every if SOFT_PROMPT not in param.name), key=lambda param: param.depth)
    sizes = {depth: sum(param.size for param in group) for depth, group in groupby(by_depth, key=lambda param: param.depth)}
    layers = by_depth[0].layers if by_depth else 0
    inner = [depth for depth in sizes if 1 <= depth <= layers]
    runs = groupby(inner, key=lambda depth: depth - inner.index(depth))  # neighbours lie equally far from their rank
    parts = [("embeddings", [0])] if 0 in sizes else []
    parts += [(f"layer {run[0]}" if len(run) == 1 else f"layers {run[0]}-{run[-1]}", run) for _, group in runs if (run := list(group))]
    parts += [("head", [layers + 1])] if layers + 1 in sizes else []
    found = {"soft prompt": sum(param.size for param in prompts)} if prompts else {}
    return found | {place: sum(sizes[depth] for depth in depths) for place, depths in parts}


def amount(number: int) -> str:
    """A number of parameters to one decimal: ``0.8 k``, ``22.7 M``, ``1.2 G``; below a hundred as it is."""
    for least, size, unit in ((0.95e9, 1e9, "G"), (0.95e6, 1e6, "M"), (100, 1e3, "k")):
        if number >= least:
            return f"{number / size:.1f} {unit}"
    return str(number)


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) if any(sign in pattern for sign in _WILD) else pattern in name


def _remedy(pattern: str, params: Mapping[str, Param]) -> str:
    """The nearest names, or parts of names, to what was written."""
    parts = {".".join(words[:end]) for name in params for words in [name.split(".")] for end in range(1, len(words) + 1)}
    words = {word for name in params for word in name.split(".") if not word.isdigit()}
    near = get_close_matches(pattern.strip("*?."), sorted(parts | words), n=3)
    if near:
        return f"Did you mean {' or '.join(repr(name) for name in near)}?"
    return f"Names are parts of {next(iter(params), 'nothing: the model has no parameters')!r}, or patterns with * and ?"
