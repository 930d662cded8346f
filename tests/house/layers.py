"""Which part of the package may import which. An import counts wherever it stands: in a function, under ``TYPE_CHECKING``."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from house.source import Source

VOCABULARY = frozenset({"core", "samples"})
MATERIAL = frozenset({"data", "model", "metrics"})
KINDS = frozenset({"tasks", "strategies"})
MACHINERY = frozenset({"engine", "evaluate", "report"})
STAGES = VOCABULARY | MATERIAL | KINDS | MACHINERY | {"recipes"}
# what is done with a recipe, from end to end
WHOLE_RUNS = frozenset(
    {"run", "proof", "evidence", "checking", "explaining", "tuned", "conversing", "rate_finder", "selecting", "composing", "merging"}
    | {"combining", "deciding", "advising", "zero_shot", "labelling", "completions", "serving", "auditing", "ready"}
)

# part -> the other parts that it may import
MAY_IMPORT: dict[str, Collection[str]] = {
    "core": (),
    "samples": {"core"},
    **dict.fromkeys(MATERIAL, VOCABULARY),
    **dict.fromkeys(KINDS | MACHINERY, VOCABULARY | MATERIAL),
    "recipes": STAGES,
    **dict.fromkeys(WHOLE_RUNS, STAGES | WHOLE_RUNS),
    "studies": STAGES | WHOLE_RUNS,
    **dict.fromkeys(("__init__", "cli"), STAGES | WHOLE_RUNS | {"studies"}),
    "__main__": {"core", "cli"},
}

# part -> what it may import beside tunesmith and the standard library; samples, which the command line lists, may do so in functions
FOREIGN: dict[str, Collection[str]] = {"core": {"torch"}, "samples": ()}


@dataclass(frozen=True)
class Import:
    """One import: ``module`` is a dotted name, ``eager`` whether it happens when the importing module is imported."""

    module: str
    line: int
    eager: bool

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def imports(source: Source) -> Iterator[Import]:
    """Every import of a file, ``importlib.import_module("...")`` with a constant name among them."""
    lazy = {id(node) for scope in ast.walk(source.tree) if is_lazy(scope) for node in ast.walk(scope)}
    for node in ast.walk(source.tree):
        for module in imported(node):
            yield Import(module, node.lineno, id(node) not in lazy)  # type: ignore[attr-defined]


def is_lazy(node: ast.AST) -> bool:
    """Whether what stands below ``node`` does not run at import."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
        isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    )


def imported(node: ast.AST) -> list[str]:
    """The dotted names that one statement or call imports; ``from a import b`` is ``a.b``, since ``b`` may be a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return []


def part(module: str) -> str:
    """The part of the package to which a module belongs: ``data`` for ``tunesmith.data.rows``."""
    return [*module.split("."), "__init__"][1]


def layer_faults(source: Source) -> Iterator[str]:
    """Imports that point upward, sideways, or out of the package where that is not allowed."""
    own = part(source.module)
    if own not in MAY_IMPORT:
        yield source.at(1, f"{own} has no layer: give it one in tests/house/layers.py")
        return
    for found in imports(source):
        if fault := import_fault(found, own, source.module):
            yield source.at(found.line, fault)


def import_fault(found: Import, own: str, module: str) -> str:
    """What is wrong with an import by ``module`` of the part ``own``; empty when nothing is."""
    other = part(found.module)
    if found.module.startswith("."):
        return "a relative import: write it in full"
    if found.top != "tunesmith":
        foreign = own in FOREIGN and (found.eager or own == "core") and found.top not in {*sys.stdlib_module_names, *FOREIGN[own]}
        return f"{own} imports {found.top}" if foreign else ""
    if other.startswith("__") and found.module != "tunesmith.__main__":
        return ""  # the package itself, which every import imports, and its version
    if other == own in KINDS and not f"{found.module}.".startswith(f"{module}."):
        return f"one of the {own} imports another: {found.module}"
    return f"{own} imports {found.module}" if other != own and other not in MAY_IMPORT[own] else ""


def cycle(sources: Collection[Source]) -> list[str]:
    """The modules of one import cycle, none when there is none. Importing the package itself is no edge: every import does."""
    known = {source.module for source in sources}
    graph = {source.module: {nearest(found.module, known) for found in imports(source)} - {source.module, ""} for source in sources}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def nearest(module: str, known: Collection[str]) -> str:
    """The module of ours that an import of ``a.b.c`` reads: itself, or the one that holds the name ``c``."""
    while module.count(".") and module not in known:
        module = module.rpartition(".")[0]
    return module if module.count(".") else ""
