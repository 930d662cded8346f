"""The rules of the house hold in every file, and every rule catches what it is there to catch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from house import rules, source
from house.source import Source

Rule = Callable[[Source], Iterator[str]]

KINDS = ("src/tunesmith/tasks", "src/tunesmith/strategies")

# rule -> the folders in which it holds; every folder where there are none
SCOPE: dict[Rule, tuple[str, ...]] = {
    rules.file_length: (),
    rules.function_length: (),
    rules.parameters: (),
    rules.star_imports: (),
    rules.kind_chains: ("src",),
    rules.vague_names: (),
    rules.unsafe: ("src",),
    rules.module_docstring: (),
    rules.bare_folder: ("src",),
    rules.setting_texts: ("src",),
    rules.plain_fields: KINDS,
    rules.one_class: KINDS,
    rules.docstring_parts: ("src/tunesmith/strategies",),
}

CHAIN = "def f(kind):\n    if kind == 'a': return 1\n    elif kind == 'b': return 2\n    {} kind == 'c': return 3"
MARK = "todo".upper()  # written like this, for the rule reads this file as well
PARTS = "Formula: f\nUse when: u\nCost: c\nSource: s\nDiffers: d"

# rule, a file that breaks it, what is said
CAUGHT: list[tuple[Rule, str, str]] = [
    (rules.file_length, "x = 1\n" * 121, "sample.py:120: 121 lines, at most 120"),
    (rules.function_length, "def f():\n" + "    x = 1\n" * 50, "sample.py:1: f has 51 lines"),
    (rules.function_length, "class A:\n    async def f(self):\n" + "        x = 1\n" * 50, "sample.py:2: f has 51"),
    (rules.parameters, "def f(a, b, c, *, d, e, f, g, h): ...", "f has 8 parameters"),
    (rules.parameters, "class A:\n    def f(self, a, b, c, d, e, f, *args, **kwargs): ...", "sample.py:2: f has 8"),
    (rules.star_imports, "from os import *", "from os import *"),
    (rules.kind_chains, CHAIN.format("elif"), "f has a branch for each of 3 values of kind"),
    (rules.kind_chains, CHAIN.format("if"), "f has a branch for each of 3 values of kind"),
    (rules.kind_chains, "def f(a):\n    return 1 if a.b == 'x' else 2 if a.b == 'y' else 3 if a.b == 'z' else 4", "values of a.b"),
    (rules.kind_chains, "def f(a):\n    match a:\n        case 'x' | 'y': pass\n        case 'z': pass", "values of a"),
    (rules.vague_names, "class ModelManager: ...", "'ModelManager' says nothing"),
    (rules.unsafe, "def f():\n    import pickle", "sample.py:2: imports pickle"),
    (rules.unsafe, "from joblib import load", "imports joblib"),
    (rules.unsafe, "torch.load(path)", "calls torch.load"),
    (rules.unsafe, "eval(text)", "calls eval"),
    (rules.unsafe, "AutoModel.from_pretrained(name, trust_remote_code=True)", "passes trust_remote_code=True"),
    (rules.unsafe, "np.load(path, allow_pickle=flag)", "passes allow_pickle=flag"),
    (rules.module_docstring, "x = 1", "no docstring"),
    (rules.setting_texts, "class A:\n    rate: float = setting(0.1)", "sample.py:2: a setting without a text"),
    (rules.setting_texts, "class A:\n    rate: float = setting(0.1, '')", "a setting without a text"),
    (rules.setting_texts, "class A:\n    rate: list = setting(factory=list)", "a setting without a text"),
    (rules.plain_fields, "class Sample:\n    rate: float = 0.1", "rate is a field without setting"),
    (rules.plain_fields, "class Sample:\n    rate: float", "rate is a field without setting"),
    (rules.one_class, "class Other: ...", "no public class is named like 'sample'"),
    (rules.one_class, "class Sample: ...\nclass Other: ...", "sample.py:2: a second public class, Other"),
    (rules.docstring_parts, f'class Sample:\n    """It does.\n{PARTS}"""'.replace("Cost: c\n", ""), "lacks 'Cost:'"),
    (rules.docstring_parts, f'class Sample:\n    """It does.\n{PARTS}"""'.replace("Cost: c", "Cost:"), "lacks 'Cost:'"),
    (rules.docstring_parts, f'class Sample:\n    """{PARTS}"""', "is a sentence, then"),
    (rules.docstring_parts, 'class Sample:\n    """It does.\nDiffers: d\nFormula: f\nUse when: u\nCost: c\nSource: s"""', "in this order"),
    (rules.unfinished, f"x = 1  # {MARK}: y", f"{MARK}: do it"),
]

# rule, a file that keeps it though it comes near
PASSED: list[tuple[Rule, str]] = [
    (rules.file_length, "x = 1\n" * 120),
    (rules.function_length, "def f():\n" + "    x = 1\n" * 49),
    (rules.parameters, "class A:\n    def f(self, a, b, c, d, e, f, g): ...\n    @classmethod\n    def g(cls, a, b, c, d, e, f, g): ..."),
    (rules.kind_chains, "def f(a, b):\n    if a == 'x' or b == 'y' or a == 'z': return\n    if a == 'x': return"),
    (rules.kind_chains, "def f(a):\n    if a == 1: return\n    if a == 2: return\n    if a == 3: return"),
    (rules.unsafe, "model.eval()\nnp.load(path, allow_pickle=False)\nsubprocess.run(['ls'], shell=False)"),
    (
        rules.setting_texts,
        "class A:\n    rate: float = setting(0.1, 'the rate')\n    names: list = setting(factory=list, text='the names')",
    ),
    (
        rules.plain_fields,
        "class Sample:\n    rate: float = setting(0.1, 'the rate')\n    needs: ClassVar[set] = {1}\nclass _State:\n    a: int = 0",
    ),
    (rules.one_class, "class Sample: ...\nclass _State: ..."),
    (rules.docstring_parts, f'class Sample:\n    """It does.\n\n{PARTS}\n"""'),
    (rules.unfinished, "the mastodon and the hacker"),
]


def sample(text: str) -> Source:
    return Source(Path("src/tunesmith/strategies/sample.py"), text)


@pytest.mark.parametrize("rule", SCOPE, ids=lambda rule: rule.__name__)
def test_it_holds_everywhere(rule: Rule) -> None:
    source.report(fault for file in source.python(*SCOPE[rule]) for fault in rule(file))


@pytest.mark.parametrize(("rule", "text", "said"), CAUGHT, ids=lambda value: getattr(value, "__name__", None))
def test_it_catches(rule: Rule, text: str, said: str) -> None:
    assert said in "\n".join(rule(sample(text)))


@pytest.mark.parametrize(("rule", "text"), PASSED, ids=lambda value: getattr(value, "__name__", None))
def test_it_lets_pass(rule: Rule, text: str) -> None:
    assert list(rule(sample(text))) == []


def test_every_rule_is_shown_to_catch_something() -> None:
    by_path = {rules.bare_folder}  # shown below, for it looks at the name of the file
    assert {rule for rule, _, _ in CAUGHT} | by_path == {*SCOPE, rules.unfinished}


def test_rules_that_look_at_the_name_of_a_file() -> None:
    folder = Source(Path("src/tunesmith/data/__init__.py"), '"""Rows."""\nfrom tunesmith.data.rows import Rows')
    assert list(rules.bare_folder(folder)) == ["src/tunesmith/data/__init__.py:2: an __init__.py with more than a docstring"]
    assert list(rules.vague_names(Source(Path("src/tunesmith/utils.py"), ""))) == [
        "src/tunesmith/utils.py:1: 'utils' says nothing about what is in the module"
    ]
    loop = Source(Path("src/tunesmith/engine/loop.py"), "x = 1\n" * 121)
    assert list(rules.file_length(loop)) == ["src/tunesmith/engine/loop.py:120: 121 lines, at most 120"]
    assert list(rules.file_length(Source(Path("src/tunesmith/engine/stack.py"), "x = 1\n" * 300))) == []


def test_nothing_is_left_to_do() -> None:
    source.report(fault for file in source.texts() for fault in rules.unfinished(file))
