"""The rules of the house for one file: each is a function from a source to its faults, ``file:line: what``."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TypeGuard

from house.source import Source

FUNCTION = 50  # lines
PARAMETERS = 7
BRANCHES = 2  # comparisons of one value with texts, above which a table is due

# Where a file stands -> how many lines it may have; the first that fits
LINES = {"src/tunesmith/strategies/": 120, "src/tunesmith/tasks/": 150, "src/tunesmith/engine/loop.py": 120, "": 300}

VAGUE_MODULES = {"base", "common", "handler", "helper", "helpers", "manager", "misc", "util", "utils"}
VAGUE_CLASSES = ("Manager", "Handler", "Helper", "Base", "Utils")

PICKLE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "torch.load", "torch.save", "pd.read_pickle", "pandas.read_pickle", "os.system"}
UNSAFE_ARGUMENTS = {"trust_remote_code", "allow_pickle", "shell"}

DOCSTRING_PARTS = ("Formula:", "Use when:", "Cost:", "Source:", "Differs:")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def file_length(source: Source) -> Iterator[str]:
    """A file fits its budget."""
    limit = next(limit for start, limit in LINES.items() if source.path.as_posix().startswith(start))
    if (length := len(source.text.splitlines())) > limit:
        yield source.at(limit, f"{length} lines, at most {limit}")


def function_length(source: Source) -> Iterator[str]:
    """A function fits on a screen."""
    for node in functions(source):
        if (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION:
            yield source.at(node, f"{node.name} has {length} lines, at most {FUNCTION}")


def parameters(source: Source) -> Iterator[str]:
    """A function takes few parameters; ``self`` and ``cls`` are not counted."""
    for node in functions(source):
        given = node.args
        names = [arg.arg for arg in (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg) if arg is not None]
        if (number := len(names) - (names[:1] in (["self"], ["cls"]))) > PARAMETERS:
            yield source.at(node, f"{node.name} has {number} parameters, at most {PARAMETERS}")


def star_imports(source: Source) -> Iterator[str]:
    """Every name tells where it comes from."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            yield source.at(node, f"from {node.module} import *")


def kind_chains(source: Source) -> Iterator[str]:
    """What differs by kind is a table or a method, not a chain of comparisons of one value with texts."""
    for function in functions(source):
        compared: dict[str, set[str]] = defaultdict(set)
        for node in ast.walk(function):
            for value, text in text_branches(node):
                compared[value].add(text)
        for value, texts in compared.items():
            if len(texts) > BRANCHES:
                yield source.at(function, f"{function.name} has a branch for each of {len(texts)} values of {value}: use a table")


def text_branches(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The (value, text) pairs that an ``if``, a conditional expression or a ``match`` compares."""
    if isinstance(node, ast.If | ast.IfExp):
        for test in ast.walk(node.test):
            if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq) and is_text(test.comparators[0]):
                yield ast.unparse(test.left), ast.unparse(test.comparators[0])
    elif isinstance(node, ast.Match):
        for pattern in ast.walk(node):
            if isinstance(pattern, ast.MatchValue) and is_text(pattern.value):
                yield ast.unparse(node.subject), ast.unparse(pattern.value)


def vague_names(source: Source) -> Iterator[str]:
    """A name says what the thing is."""
    if source.path.stem in VAGUE_MODULES:
        yield source.at(1, f"'{source.path.stem}' says nothing about what is in the module")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and node.name.removesuffix("ToBase").endswith(VAGUE_CLASSES):  # the base model is a thing
            yield source.at(node, f"'{node.name}' says nothing about what the class is")


def unsafe(source: Source) -> Iterator[str]:
    """No file that is read can run code, and no text is run as code."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for name in names:
                if name.partition(".")[0] in PICKLE:
                    yield source.at(node, f"imports {name}, which runs the code that it reads")
        elif isinstance(node, ast.Call):
            if (name := ast.unparse(node.func)) in UNSAFE_CALLS:
                yield source.at(node, f"calls {name}")
            for keyword in node.keywords:
                if keyword.arg in UNSAFE_ARGUMENTS and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
                    yield source.at(node, f"passes {ast.unparse(keyword)}")


def module_docstring(source: Source) -> Iterator[str]:
    """A module says in a sentence what it is for."""
    if not ast.get_docstring(source.tree):
        yield source.at(1, "the module has no docstring")


def bare_folder(source: Source) -> Iterator[str]:
    """The ``__init__.py`` of a part holds its docstring alone: names are imported from where they are."""
    if source.path.name == "__init__.py" and source.module != "tunesmith" and len(source.tree.body) > 1:
        yield source.at(source.tree.body[1], "an __init__.py with more than a docstring")


def setting_texts(source: Source) -> Iterator[str]:
    """Every setting explains itself."""
    for node in ast.walk(source.tree):
        if is_setting(node):
            texts = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "text")]
            if not any(not isinstance(text, ast.Constant) or text.value for text in texts):
                yield source.at(node, "a setting without a text")


def plain_fields(source: Source) -> Iterator[str]:
    """The fields of a task or strategy are settings: checked, explained and documented."""
    for owner in own_class(source):
        for node in owner.body:
            if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation) and not is_setting(node.value):
                yield source.at(node, f"{ast.unparse(node.target)} is a field without setting(...)")


def one_class(source: Source) -> Iterator[str]:
    """The file of a task or strategy holds one public class, named like the file."""
    if source.path.name == "__init__.py":
        return
    if not own_class(source):
        yield source.at(1, f"no public class is named like '{source.path.stem}'")
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef) and node not in own_class(source) and not node.name.startswith("_"):
            yield source.at(node, f"a second public class, {node.name}")


def docstring_parts(source: Source) -> Iterator[str]:
    """A strategy says in one sentence what it does, then gives its formula, its use, its cost, its source and how it differs."""
    for owner in own_class(source):
        docstring = ast.get_docstring(owner) or ""
        places = [re.search(rf"^{part} *\S", docstring, re.MULTILINE) for part in DOCSTRING_PARTS]
        for part, place in zip(DOCSTRING_PARTS, places, strict=True):
            if place is None:
                yield source.at(owner, f"the docstring of {owner.name} lacks '{part}'")
        starts = [place.start() for place in places if place]
        if starts != sorted(starts) or 0 in starts:
            yield source.at(owner, f"the docstring of {owner.name} is a sentence, then {' '.join(DOCSTRING_PARTS)} in this order")


def unfinished(source: Source) -> Iterator[str]:
    """What is to be done is not written into the tree."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        if found := re.search(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b", line):
            yield source.at(number, f"{found[0]}: do it, or leave it")


def functions(source: Source) -> list[FUNCTIONS]:
    """All functions and methods of a file, inner ones among them."""
    return [node for node in ast.walk(source.tree) if isinstance(node, FUNCTIONS)]


def own_class(source: Source) -> list[ast.ClassDef]:
    """The class that the file of a task or strategy is about, in a list; an empty one where it is missing."""
    title = source.path.stem.replace("_", "")
    return [node for node in source.tree.body if isinstance(node, ast.ClassDef) and node.name.lower() == title]


def is_setting(node: ast.AST | None) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "setting"


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
