"""``export``: the model of a run as a plain folder of its own, with its adapter, or those of several runs, merged into the base."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from tunesmith import composing
from tunesmith.composing import Composition
from tunesmith.core.errors import InputError, IntegrityError, Problem, TunesmithError
from tunesmith.data.encode import encode
from tunesmith.data.examples import read_examples
from tunesmith.model import bottleneck, neighbours
from tunesmith.model.adapters import merged
from tunesmith.model.alike import Difference, difference, generated, outputs
from tunesmith.model.build import Model, build_for
from tunesmith.model.files import ADAPTER_CONFIG, read_json
from tunesmith.model.save import save
from tunesmith.model.sources import resolve
from tunesmith.recipes.recipe import Recipe
from tunesmith.report import folder as folders
from tunesmith.report.card import HUB_ID
from tunesmith.tuned import ENSEMBLE, finished_run, recipe_of, tasks_of, tell

MERGED, ADAPTER, WHOLE = "merged", "adapter", "whole"
FORMS = (MERGED, ADAPTER)
SEEN, ROWS = 50, 4  # of so many rows of a run the shortest are tried
PROMPTS = {"PROMPT_TUNING": "prompt", "PREFIX_TUNING": "prefix", "P_TUNING": "p_tuning"}  # kinds of peft -> our strategies


@dataclass(frozen=True)
class Exported:
    """What ``export`` left.

    ``form``        merged, adapter, or whole: the run had no adapter, and its model was copied
    ``adapters``    how many are in it
    ``difference``  of its outputs from those before it was merged; None where nothing was computed
    ``tried``       what the outputs were of
    """

    folder: Path
    form: str
    adapters: int
    difference: Difference | None = None
    tried: str = ""


def export(
    run: str | Path,
    out: str | Path | None = None,
    *,
    form: str = MERGED,
    others: Sequence[str | Path] = (),
    composition: Composition | None = None,
    runs: str | Path = "runs",
) -> Exported:
    """Write the model of a finished run into the new folder ``out`` (in the run's own where absent), which ``tunesmith.load`` loads.

    ``form``         merged: the adapter is folded into the weights, as any library loads them; adapter: a plain PEFT folder
    ``others``       runs with adapters of the same base, that are composed with that of ``run`` as ``composition`` says

    Raises ``InputError`` for a folder that exists, and for adapters that cannot be merged or composed; ``IntegrityError`` where the
    merged model does not put out what the adapted one did. Then nothing is left.
    """
    if form not in FORMS:
        raise InputError(Problem(f"there is no form '{form}'", f"Take {' or '.join(FORMS)}"))
    if composition is not None and not others:
        raise InputError(Problem("there is one adapter, and nothing to compose it with", "Name another run"))
    found = [finished_run(name, runs) for name in (run, *others)]
    for place in found:
        if (place / ENSEMBLE).exists():
            raise InputError(Problem("the run has no model of its own: it combines those of others", "Export one of them", str(place)))
        if tasks := tasks_of(place):
            remedy = f"Copy {place / 'model' / tasks[0]}, or name it as the model"
            raise InputError(Problem("the run has several tasks, and a plain model of each", remedy, str(place)))
    kind = kind_of(found[0] / "model")
    check(found[0], kind, form, bool(others))
    recipe = recipe_of(found[0])
    with new_folder(Path(out).expanduser() if out else found[0] / f"exported-{form}") as (folder, aside):
        if kind == WHOLE or (form == ADAPTER and not others):
            shutil.copytree(found[0] / "model", aside)
            exported = Exported(folder, form if kind != WHOLE else WHOLE, int(kind != WHOLE))
        elif form == ADAPTER:
            rank = composing.rank_of(found)
            composing.write(composing.compose(recipe.task, found, composition or Composition(), rank), aside, found[0] / "model")
            exported = Exported(folder, form, len(found))
        else:
            model = composing.compose(recipe.task, found, composition or Composition()) if others else adapted(recipe, found[0])
            exported = Exported(folder, form, len(found), *merge(model, recipe, aside, found[0]))
        complete(recipe, found[0] / "model", aside, whole=not others)
        folders.write_text(aside / "README.md", card(recipe, exported.form, [place.name for place in found], neighbours.lost(aside)))
    return exported


def kind_of(model: Path) -> str:
    """What the folder of a run's model holds: a kind of adapter as peft calls it, our own kept-apart adapters, or whole weights."""
    if (model / ADAPTER_CONFIG).exists():
        return str(read_json(model / ADAPTER_CONFIG).get("peft_type", ""))
    return bottleneck.NAME if (model / bottleneck.ABOUT).exists() else WHOLE


def check(run: Path, kind: str, form: str, several: bool) -> None:
    """Raise ``InputError`` where a model cannot be had in this form, before anything is loaded."""
    as_adapter = "Take --to adapter, or use the run as it is"
    if kind == WHOLE and (form == ADAPTER or several):
        raise InputError(Problem("the run has no adapter: its weights are whole", f"Use {run / 'model'}", str(run)))
    if form == MERGED and kind in PROMPTS:
        raise InputError(Problem(f"{PROMPTS[kind]} adds to what the model reads, and no weights can hold that", as_adapter, str(run)))
    if kind == bottleneck.NAME and (form == MERGED or several):
        raise InputError(Problem("bottleneck adapters are not linear, and no weights can hold them", as_adapter, str(run)))


def adapted(recipe: Recipe, run: Path) -> Model:
    """The model of a run with its adapter."""
    return build_for(recipe.task, str(run / "model"))


def merge(model: Model, recipe: Recipe, folder: Path, run: Path) -> tuple[Difference, str]:
    """Fold the adapter of a model into its weights, write these into the new ``folder``, and load them again.

    Returns how far the outputs are from those of the adapter, and on what. Raises ``IntegrityError`` where that is more than rounding.
    """
    inputs, tried = inputs_of(model, recipe)
    expected = outputs(model.module, inputs)
    try:
        model.module = merged(model.module)
    except (ValueError, NotImplementedError, AttributeError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            Problem(f"the adapter cannot be merged ({reason})", "Take --to adapter, or use the run as it is", str(run))
        ) from error
    save(model, folder)
    del model.module  # two models at a time are enough
    again = build_for(recipe.task, str(folder))
    apart = difference(outputs(again.module, inputs), expected)
    if again.fresh or not apart.small:
        why = (
            f"lacks {again.fresh[0]}" if again.fresh else f"puts out something else (by {apart.share:.1%} of the largest value, on {tried})"
        )
        raise IntegrityError(Problem(f"the merged model {why}", "Take --to adapter, or use the run as it is", str(run)))
    return apart, tried


def inputs_of(model: Model, recipe: Recipe) -> tuple[Mapping[str, Tensor], str]:
    """What a model is tried on, and how to call that: a few rows that it was trained on, or what is made up where they cannot be read."""
    data, task = recipe.data, recipe.task
    try:
        examples, _ = read_examples(data.train, task, data.columns, data.labels, skip_bad=True, base=recipe.base_folder)
        rows = encode(examples[:SEEN], task, model.tokenizer)
        shortest = sorted(rows.lengths.argsort(kind="stable")[:ROWS].tolist())
        return task.collate([rows[place] for place in shortest], model.tokenizer).inputs, f"{len(shortest)} training rows"
    except (TunesmithError, OSError):
        return generated(model.module), "made-up inputs, as the training rows cannot be read"


def complete(recipe: Recipe, model: Path, folder: Path, whole: bool) -> None:
    """Give an exported folder what else stands beside the run's model, and what ``load`` must know.

    Neighbours are of vectors of this one model, and go with it alone: not ``whole`` where it was composed with others.
    """
    for path in sorted(model.rglob("*")):
        place = folder / path.relative_to(model)
        own = whole if path.name in neighbours.FILES else path.suffix != ".safetensors" and not path.name.startswith("adapter_")
        if path.is_file() and own and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    tell(recipe, folder)


def card(recipe: Recipe, form: str, names: Sequence[str], lost: str) -> str:
    """README.md of an exported folder: its base and licence where they are known, what was done, and what is ``lost`` elsewhere."""
    try:
        source = resolve(recipe.model_spec)
        about = {"license": source.licence.lower(), "base_model": source.base_model if HUB_ID.match(source.base_model) else ""}
    except TunesmithError:  # the base is elsewhere by now
        about = {}
    about["library_name"] = "peft" if form == ADAPTER else "transformers"
    lines = [f"{key}: {value}" for key, value in about.items() if value]
    done = {MERGED: "merged into the weights of its base", ADAPTER: "as an adapter of its base", WHOLE: "as it is"}[form]
    runs = f"the run {names[0]}" if len(names) == 1 else f"the runs {', '.join(names)}, composed"
    load = f'tunesmith.load("FOLDER"), or {"PeftModel" if form == ADAPTER else recipe.task.head().auto}.from_pretrained("FOLDER")'
    told = [f"The model of {runs}, {done}.", *([lost] if lost else []), f"    {load}"]
    return "\n".join(["---", *lines, "---", "", f"# {' + '.join(names)}", "", "\n\n".join(told), ""])


@contextmanager
def new_folder(folder: Path) -> Iterator[tuple[Path, Path]]:
    """A folder that does not exist yet, and one beside it that takes its name in the end. Of what fails nothing is left."""
    if folder.exists():
        raise InputError(Problem("this exists and is not overwritten", "Name another folder with --out DIR", str(folder)))
    above = [place for place in folder.parents if not place.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(Problem(f"no folder can be made there ({error.strerror})", "Name another with --out DIR", str(folder))) from error
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        yield folder, aside
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        for place in above:
            with suppress(OSError):
                place.rmdir()  # where something was written, it stays
