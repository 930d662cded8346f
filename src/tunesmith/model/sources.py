"""Where a model comes from: a folder, a run, a ``.gguf`` file, an installed package, a sample, the hub, or two of these."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from tunesmith.core.errors import InputError, Problem, ResourceError
from tunesmith.core.naming import RESOLVED, run_named
from tunesmith.core.words import Say
from tunesmith.model.files import ADAPTER_CONFIG, CONFIG, base_of, card, tensorflow_index, weights_in
from tunesmith.model.hub import snapshot
from tunesmith.model.parts import parts_of

_HUB_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)?(@[\w./-]+)?")


@dataclass(frozen=True)
class ModelSource:
    """A model's files, looked through: nothing is missing.

    ``spec``        as the user wrote it
    ``kind``        folder, run, package, sample, hub, or pair
    ``path``        the folder with configuration and weights, or the ``.gguf`` file; of a pair that of the first part
    ``name``        what people call the model
    ``licence``     as its card says; empty where it says none
    ``base_model``  what a model card names as the base: a hub id where one is known, else ``name``
    ``adapter``     the PEFT folder that goes on top of ``path``, where there is one
    ``parts``       the two models that a pair is made of
    """

    spec: str
    kind: str
    path: Path
    name: str
    licence: str = ""
    base_model: str = ""
    adapter: Path | None = None
    parts: tuple[ModelSource, ...] = ()

    @property
    def gguf(self) -> bool:
        return self.path.suffix == ".gguf"


def compares_sentences(source: ModelSource) -> bool:
    """Whether a model was made to compare sentences, as those of sentence-transformers are: its folder says how states are pooled."""
    return (source.path / "modules.json").is_file()


def resolve(spec: str, say: Say | None = None) -> ModelSource:
    """Find the model that ``spec`` names.

    That is a folder, a run by its folder or its name, ``file.gguf``, ``package:module/path``, ``sample:name`` or a hub id, which may have
    a revision: ``org/name@main``. Two of these make a pair: ``encoder=SPEC,decoder=SPEC``. Raises ``InputError`` for what cannot be a
    model or cannot be used as it is, ``ResourceError`` where the hub or the package registry cannot be reached.
    """
    if not spec:
        raise InputError(Problem("No model is named", "Name a folder, a hub id or a sample: sample:minilm"))
    if parts := parts_of(spec):
        return _pair(spec, tuple(resolve(part, say) for part in parts.values()))
    scheme, _, rest = spec.partition(":")
    path = Path(spec).expanduser()
    if scheme in _SCHEMES:
        source = _SCHEMES[scheme](spec, rest, say)
    elif path.exists():
        source = _local(spec, path)
    elif run := run_named(spec):
        source = _local(spec, run)
    elif _HUB_ID.fullmatch(spec) and path.suffix != ".gguf":
        name = spec.partition("@")[0]
        source = ModelSource(spec, "hub", snapshot(spec, say, _instead(name)), name.rpartition("/")[2], base_model=name)
    else:
        raise InputError(*absent(spec))
    if (source.path / ADAPTER_CONFIG).exists():
        return _on_its_base(source, say)
    return _whole(source)


def absent(spec: str) -> list[Problem]:
    """What is wrong with a text that names a file or a folder which is not there; nothing for any other."""
    path = Path(spec).expanduser()
    if spec.partition(":")[0] in _SCHEMES or path.exists() or run_named(spec) or (_HUB_ID.fullmatch(spec) and path.suffix != ".gguf"):
        return []
    return [Problem(f"There is no {'file' if path.suffix else 'folder'} {path}", _instead(spec))]


def _pair(spec: str, parts: tuple[ModelSource, ...]) -> ModelSource:
    """Two whole models as the parts of one. What both say alike is said once."""
    problems = [
        Problem(f"{part.spec} is {what}, which cannot be a part of another model", "Name a folder with whole weights")
        for part in parts
        for what in ["an adapter"] * bool(part.adapter) + ["a .gguf file"] * part.gguf
    ]
    if problems:
        raise InputError(*problems)
    name, licence, base = (" and ".join(dict.fromkeys(filter(None, said))) for said in zip(*map(_said, parts), strict=True))
    return ModelSource(spec, "pair", parts[0].path, name, licence, base, parts=parts)


def _said(source: ModelSource) -> tuple[str, str, str]:
    return source.name, source.licence, source.base_model


def _whole(source: ModelSource) -> ModelSource:
    """The source with its weights found, and with what its card says."""
    if original := tensorflow_index(source.path):
        from tunesmith.model.tensorflow_bert import converted  # brings torch

        path = converted(original)
    else:
        path = source.path if source.path.is_file() else weights_in(source.path)
    if path.is_file() and path.suffix != ".gguf":
        raise InputError(Problem(f"{path} is not a .gguf file", f"Name the folder that holds it: {path.parent}"))
    licence, origin = card(path.parent if path.is_file() else path)
    return replace(source, path=path, licence=licence, base_model=source.base_model or origin or source.name)


def _on_its_base(source: ModelSource, say: Say | None) -> ModelSource:
    """A PEFT folder on top of the model that its configuration names."""
    base = base_of(source.path)
    try:
        below = resolve(base, say)
    except (InputError, ResourceError) as error:
        place = str(source.path / ADAPTER_CONFIG)
        why = Problem(f"The adapter's base model '{base}' cannot be had", "Correct base_model_name_or_path", place)
        raise type(error)(why, *error.problems) from error
    if below.adapter:
        raise InputError(Problem("The adapter's base is an adapter too", "Merge that one into its base first", str(below.adapter)))
    return replace(source, path=below.path, adapter=source.path, licence=below.licence, base_model=below.base_model)


def _local(spec: str, path: Path) -> ModelSource:
    """A file, a folder, or a run, whose model is in ``model/``."""
    place = path.resolve()
    run = (path / RESOLVED).exists() and not (path / CONFIG).exists()
    if run and not (path / "model").is_dir():
        raise InputError(Problem(f"The run {place.name} has no model yet", f"Finish it with `tunesmith resume {spec}`", str(path)))
    return ModelSource(spec, "run" if run else "folder", path / "model" if run else path, place.stem if path.is_file() else place.name)


def _sample(spec: str, name: str, say: Say | None) -> ModelSource:
    from tunesmith.samples.catalogue import find
    from tunesmith.samples.fetch import fetch

    sample = find(name, "model")
    if sample.kind != "model":
        raise InputError(
            Problem(f"{spec} is a data set, not a model", f"Name a model: {', '.join(dict.fromkeys(_sample_models().values()))}")
        )
    return ModelSource(spec, "sample", fetch(name, say), sample.origin.rpartition("/")[2] or name)


def _package(spec: str, rest: str, say: Say | None) -> ModelSource:
    """Files of an installed package, which is found without being imported: its code never runs."""
    package, _, inner = rest.partition("/")
    found = find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        remedy = "Install the distribution that holds it; the spelling is package:module/path"
        raise InputError(Problem(f"There is no installed package '{package}' for {spec}", remedy))
    places = [Path(place) / inner for place in found.submodule_search_locations]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise InputError(Problem(f"The package '{package}' has no {inner}", _instead(str(places[0]))))
    return ModelSource(spec, "package", path, path.stem if path.is_file() else path.name)


_SCHEMES: dict[str, Callable[[str, str, Say | None], ModelSource]] = {"sample": _sample, "package": _package}


def _instead(spec: str) -> str:
    """What to name instead of what is not there: a path in a package, the nearest path, the nearest sample, or any."""
    package, colon, rest = spec.partition(":")
    if colon and package.isidentifier() and find_spec(package):
        return f"Write package:{rest if rest.partition('/')[0] == package else f'{package}/{rest}'}"
    path = Path(spec).expanduser().absolute()
    there = next(parent for parent in path.parents if parent.is_dir())
    near = get_close_matches(path.relative_to(there).parts[0], sorted(child.name for child in there.iterdir()), n=1)
    samples = _sample_models()
    alike = get_close_matches(spec.lower(), samples, n=1)
    if near or alike:
        return f"Did you mean {there / near[0] if near else samples[alike[0]]}?"
    return f"Name a folder, or a sample: {', '.join(dict.fromkeys(samples.values()))}"


def _sample_models() -> dict[str, str]:
    """``sample:name`` by all that a sample's model may be called, in lower case."""
    from tunesmith.samples.catalogue import SAMPLES

    models = [sample for sample in SAMPLES.values() if sample.kind == "model"]
    names = {f"sample:{sample.name}": (sample.name, sample.origin, sample.origin.rpartition("/")[2]) for sample in models}
    return {called.lower(): spec for spec, all_names in names.items() for called in all_names if called}
