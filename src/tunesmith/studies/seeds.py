"""One recipe with several seeds: each is trained as a run of its own in a folder inside, and then they become one."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tunesmith.combining import check
from tunesmith.core.errors import InputError
from tunesmith.core.observer import Observer
from tunesmith.recipes.ensemble import FITTED, SOUPS
from tunesmith.recipes.places import placed
from tunesmith.recipes.recipe import Recipe
from tunesmith.run import Report, recipe_of, speaker
from tunesmith.studies.attempts import kind_of
from tunesmith.studies.ensemble import Member, combined, fitting_rows
from tunesmith.studies.stages import settle_in, within


@placed
def carry_seeds(recipe: Recipe, folder: Path, watch: Sequence[Observer]) -> Report:
    """Train the runs that are not finished yet, and combine all of them; of stages the models of the last.

    Raises ``InputError`` before any training where they could not be combined.
    """
    say, together = speaker(watch), recipe.ensemble
    assert together is not None
    runs = varied(recipe)
    *_, data = kind_of(recipe).judged(recipe).values()
    own = recipe.stages[-1] if recipe.stages else recipe
    members = [Member(folder / made.name, own, data) for made in runs]
    if together.how not in SOUPS:
        check(own.task, together.how, recipe.name)
    if together.how in FITTED and (problems := fitting_rows(members)):
        raise InputError(*problems)
    for number, (made, member) in enumerate(zip(runs, members, strict=True), 1):
        if not (member.place / "scores.json").exists():
            say(f"run {number} of {len(runs)}: {made.name}")
            settle_in(made, member.place)
            with within(folder, f"run {made.name}"):
                kind_of(made).carry(made, member.place, watch)
            gc.collect()
    return combined(members, together.how, folder, say, recipe)


def varied(recipe: Recipe) -> list[Recipe]:
    """The recipe with each of its seeds, on the same rows; simple models are judged beside the first one."""
    assert recipe.ensemble is not None

    def seeded(part: Recipe, seed: int) -> Recipe:
        held_out = recipe.seed if part.data.split_seed is None else part.data.split_seed
        return replace(
            part,
            data=replace(part.data, split_seed=held_out),
            training=replace(part.training, seed=seed),
            baselines=part.baselines and seed == recipe.seed,
            stages=[seeded(stage, seed) for stage in part.stages],
            ensemble=None,
        )

    seeds = range(recipe.seed, recipe.seed + recipe.ensemble.seeds)
    return [replace(seeded(recipe_of(recipe, {}), seed), name=f"seed-{seed}") for seed in seeds]
