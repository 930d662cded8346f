"""One recipe with several seeds: each is trained as a run of its own in a folder inside, and then they become one."""

from __future__ import annotations

import copy
import gc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tunesmith.combining import check
from tunesmith.core.errors import InputError
from tunesmith.core.observer import Observer
from tunesmith.data.load import load
from tunesmith.recipes.ensemble import FITTED, SOUPS
from tunesmith.recipes.places import placed
from tunesmith.recipes.recipe import Recipe
from tunesmith.run import Report, carry_out, speaker
from tunesmith.studies.ensemble import Member, combined, fitting_rows
from tunesmith.studies.stages import settle_in, within


@placed
def carry_seeds(recipe: Recipe, folder: Path, watch: Sequence[Observer]) -> Report:
    """Train the runs that are not finished yet, and combine all of them.

    Raises ``InputError`` before any training where they could not be combined.
    """
    say, together = speaker(watch), recipe.ensemble
    assert together is not None
    data = load(recipe.data, recipe.task, recipe.seed, recipe.base_folder)
    members = [Member(folder / made.name, made, data) for made in varied(recipe)]
    if together.how not in SOUPS:
        check(recipe.task, together.how, recipe.name)
    if together.how in FITTED and (problems := fitting_rows(members)):
        raise InputError(*problems)
    for number, member in enumerate(members, 1):
        if not (member.place / "scores.json").exists():
            say(f"run {number} of {len(members)}: {member.name}")
            settle_in(member.recipe, member.place)
            with within(folder, f"run {member.name}"):
                carry_out(member.recipe, member.place, watch, data)
            gc.collect()
    return combined(members, together.how, folder, say, recipe)


def varied(recipe: Recipe) -> list[Recipe]:
    """The recipe with each of its seeds, on the same rows; simple models are judged beside the first one."""
    assert recipe.ensemble is not None
    held_out = recipe.seed if recipe.data.split_seed is None else recipe.data.split_seed
    return [
        replace(
            recipe,
            name=f"seed-{seed}",
            data=replace(recipe.data, split_seed=held_out),
            strategies=[copy.copy(part) for part in recipe.strategies],
            watch=[copy.copy(part) for part in recipe.watch],
            training=replace(recipe.training, seed=seed),
            baselines=recipe.baselines and seed == recipe.seed,
            ensemble=None,
        )
        for seed in range(recipe.seed, recipe.seed + recipe.ensemble.seeds)
    ]
