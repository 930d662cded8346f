"""Writes the pages that follow from the code: one for each strategy and task, their settings, and the index of papers.

python docs/build.py            write them
python docs/build.py --check    write nothing; end with status 1 when a page is not what would be written
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import measured
from compatibility import compatibility_page
from pieces import BEGIN, capitalised, code, page, recipe, table

from tunesmith.core.observer import Observer
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Column
from tunesmith.data.mixing import Mixing
from tunesmith.data.settings import DataSettings
from tunesmith.engine.optimizer import DEFAULT_RATES
from tunesmith.engine.settings import Training
from tunesmith.model.routing import Routing
from tunesmith.recipes import ensemble, find, search
from tunesmith.recipes.advise import Rule, rules
from tunesmith.recipes.mixture import Membership
from tunesmith.recipes.pretrained import pretrained
from tunesmith.recipes.validate import IN_MEMORY, as_plain

DOCS = Path(__file__).parent
PARTS = ("Formula", "Use when", "Cost", "Source", "Differs")
SEAMS = ("adapt", "plan", "feed", "objective", "loss", "gradient", "step", "evaluated", "begin", "finished", "end")


class Described(NamedTuple):
    """A docstring: its sentences, and its parts by name."""

    text: str
    parts: dict[str, str]


def pages() -> dict[str, str]:
    """Every generated page, by its path in ``docs``."""
    strategies = {name: find.find("strategies", name) for name in find.names("strategies")}
    tasks = {name: find.find("tasks", name) for name in find.names("tasks")}
    return {
        **{f"strategies/{name}.md": strategy_page(name, cls) for name, cls in strategies.items()},
        **{f"tasks/{name}.md": task_page(name, cls) for name, cls in tasks.items()},
        "strategies/README.md": index_page("Strategies", "They compose in the order of the recipe, the first outermost.", strategies),
        "tasks/README.md": index_page("Tasks", "What rows look like, how they are encoded, trained on and judged.", tasks),
        "papers.md": papers_page(strategies, tasks),
        "compatibility.md": compatibility_page(strategies, tasks),
        "settings.md": settings_page(strategies),
        "advice.md": advice_page(),
        "measured.md": page("Measured", *measured.blocks()),
        **{f"measured-{setting}.svg": measured.picture(setting) for setting in measured.settings()},
    }


def strategy_page(name: str, cls: type[Strategy | Observer]) -> str:
    text, parts = described(cls)
    formula = parts.pop("Formula")
    return page(
        name,
        text,
        f"```text\n{formula}\n```",
        *(f"**{part}.** {capitalised(body)}" for part, body in parts.items()),
        "## In a recipe",
        recipe({"strategies": [example(name, cls)]}),
        "## Settings",
        settings_table(cls),
        "## How it composes",
        composition(cls),
        *measured.of(name),
        code("strategies", name),
    )


def example(name: str, cls: type[Strategy | Observer]) -> str | dict[str, Any]:
    """A strategy as a recipe writes it: the settings of its example, or its first one where the example has the defaults.

    Rows in memory become the name of a file.
    """
    settings = as_plain(cls.example())
    changed = as_plain(cls.example(), changed_only=True)
    shown = changed or dict([*settings.items()][:1])
    return {name: {key: f"{key}.jsonl" if IN_MEMORY in str(value) else value for key, value in shown.items()}} if settings else name


def composition(cls: type[Strategy | Observer]) -> str:
    """Which seams a strategy uses, and what it claims and needs."""
    root = Observer if issubclass(cls, Observer) else Strategy
    seams = [f"`{seam}`" for seam in SEAMS if getattr(cls, seam, None) is not getattr(root, seam, None)]
    lines = [f"It {'watches' if root is Observer else 'uses'} {', '.join(seams)}: see [the tour](../tour.md)."]
    for attribute, meaning in (("owns", "It alone decides"), ("needs", "It needs")):
        lines += [f"{meaning}: {', '.join(sorted(getattr(cls, attribute)))}."] if getattr(cls, attribute, None) else []
    return "\n".join(lines + ["It decides as it goes, so the future of its plan is not known."] * (not getattr(cls, "foresees", True)))


def task_page(name: str, cls: type[Any]) -> str:
    text, parts = described(cls)
    task, rows = cls.example()
    columns = task.columns()  # those it looks for, not those that its example has
    task.learn(rows)
    return page(
        name,
        text,
        *(f"**{part}.** {capitalised(body)}" for part, body in parts.items()),
        "## In a recipe",
        recipe({"task": name}),
        "## Columns",
        columns_table(columns),
        "## Settings",
        settings_table(cls),
        "## How it is judged",
        f"By `{task.primary}` unless the settings say otherwise; {'higher' if task.higher_is_better else 'lower'} is better. "
        f"The model class is `{task.head().auto}` of transformers.",
        code("tasks", name),
    )


def index_page(title: str, text: str, classes: Mapping[str, type[Any]]) -> str:
    rows = ((f"[{name}]({name}.md)", described(cls).text.partition("\n")[0]) for name, cls in classes.items())
    return page(title, text, table(("name", "what it does"), rows))


def papers_page(strategies: Mapping[str, type[Any]], tasks: Mapping[str, type[Any]]) -> str:
    found = [
        (source, f"[{name}]({folder}/{name}.md)")
        for folder, classes in (("strategies", strategies), ("tasks", tasks))
        for name, cls in classes.items()
        for source in sources(described(cls).parts.get("Source", ""))
    ]
    return page("Papers", "What the strategies and tasks follow, oldest first.", table(("source", "where"), sorted(found, key=by_year)))


def settings_page(strategies: Mapping[str, type[Any]]) -> str:
    text = "The `data` and `training` parts of a recipe. [Strategies](strategies/README.md) and [tasks](tasks/README.md) have their own."
    several = "Of [several tasks](multi-task.md): what each is told beside `task` and `data`, and how rows are drawn from them."
    studies: dict[str, type[Any]] = {"search": search.Search, "ensemble": ensemble.Seeds}
    parts = {"data": DataSettings, "training": Training, "tasks": Membership, "mixing": Mixing, "routing": Routing, **studies}
    about = {"tasks": (several,), "routing": ("Of a [sequence](lifelong.md) with a model for each stage: how a row finds its own.",)}
    blocks = (b for name, kind in parts.items() for b in (f"## {name}", *about.get(name, ()), settings_table(kind)))
    return page("Settings", text, *blocks, *rates_blocks(strategies))


def rates_blocks(strategies: Mapping[str, type[Any]]) -> Iterator[str]:
    """The learning rates that are taken where a recipe gives none, and their sources."""
    yield "## Learning rates"
    yield "Where neither `training.learning_rate` nor `strategies: auto` gives one, the first that fits: `tunesmith check` shows which."
    own = ((f"[{name}](strategies/{name}.md)", *cls.natural_rate) for name, cls in strategies.items() if getattr(cls, "natural_rate", None))
    rows = [*own, *((when, rate, source) for rate, source, when in DEFAULT_RATES.values())]
    yield table(("what learns", "highest rate", "source"), ((when, f"{rate:.0e}", source) for when, rate, source in rows))


def advice_page() -> str:
    """What ``strategies: auto`` chooses and why, and the models that ``tunesmith advise`` knows."""
    head, about = ("when", "what is chosen", "why", "source", "measured here"), ("model", "kind", "languages", "weights", "licence", "note")
    grouped = [(topic, table(head, map(rule_row, group))) for topic, group in groupby(rules(), attrgetter("topic"))]
    models = ((m.spec, m.model, ", ".join(m.languages), f"{m.parameters:g} M", m.licence, m.note) for m in pretrained())
    return page(
        "Advice",
        "`strategies: auto` lets these rules choose strategies, rate and length before anything is trained, from task, data and model "
        "alone, so that a resumed run decides the same. What the recipe gives under `training` is kept. Decisions and reasons stand in "
        "`events.jsonl`, what was chosen in `recipe.resolved.yaml`. Of each topic the first rule that fits is taken; `tight_memory` and "
        "`tight_time` count how often less had to be asked for. What was not measured here is from the literature: it is a beginning.",
        recipe({"strategies": {"auto": {"memory": "8GB"}}}),
        "`tunesmith advise DATA` also chooses a model, estimates time and memory here, keeps within `--memory` and `--time`, and writes a "
        "recipe. Its estimates are rough: arithmetic, and the speed of matrix products; `tunesmith check` measures real steps.",
        *(f"## {capitalised(topic)}\n\n{rows}" for topic, rows in grouped),
        "## Models\n\nOf November 2026. What is at hand is proposed first.",
        table(about, models),
    )


def rule_row(rule: Rule) -> tuple[str, ...]:
    facts = [f"{name} {', '.join(asked) if isinstance(asked, list) else str(asked).lower()}" for name, asked in rule.when.items()]
    names = [" ".join([name, *(f"{key} {value}" for key, value in s.items())]) for part in rule.strategies for name, s in part.items()]
    said = (f"`{what}`" for what in [*names, *(f"training.{name} {value}" for name, value in rule.training.items())])
    return "; ".join(facts) or "always", ", ".join(said) or "nothing", rule.why, rule.source, rule.measured or "no"


def described(cls: type[Any]) -> Described:
    """The docstring of a class, cut at its parts; the lines of each joined."""
    blocks = re.split(rf"^({'|'.join(PARTS)}):", re.sub(r"\n +", "\n", cls.__doc__ or ""), flags=re.MULTILINE)
    text, *rest = [re.sub(r"``(.+?)``", r"`\1`", re.sub(r"(?<!\n)\n(?!\n)", " ", block).strip()) for block in blocks]
    return Described(text, dict(zip(rest[::2], rest[1::2], strict=True)))


def sources(text: str) -> list[str]:
    """The papers in the Source of a docstring: what stands between semicolons, when it names a year."""
    papers: list[str] = []
    for piece in filter(None, text.rstrip(".").split("; ")):
        if re.search(r"\b(19|20)\d\d\b", piece) or not papers:
            papers.append(piece)
        else:
            papers[-1] += f"; {piece}"
    return papers


def by_year(row: tuple[str, ...]) -> tuple[str, ...]:
    year = re.search(r"\b(?:19|20)\d\d\b", row[0])
    return (year[0] if year else "", *row)


def settings_table(cls: type[Any]) -> str:
    rows = [(f"`{field.name}`", default(field), allowed(field), field.metadata["text"]) for field in fields(cls) if field.init]
    return table(("setting", "default", "range", "what it is"), rows) if rows else "It has none."


def default(field: Field[Any]) -> str:
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if value is MISSING:
        return "required"
    if value in (None, "", [], {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def allowed(field: Field[Any]) -> str:
    """The range of a setting: ``> 0, <= 1``, or its choices."""
    known = field.metadata
    bounds = [f"{sign} {known[key]:g}" for key, sign in (("above", ">"), ("low", ">="), ("high", "<=")) if known[key] is not None]
    return ", ".join(bounds) or ", ".join(f"`{choice}`" for choice in known["choices"])


def columns_table(columns: tuple[Column, ...]) -> str:
    rows = (
        (f"`{column.role}`", ", ".join(column.names), "yes" if column.required else "no", "yes" if column.truth else "no")
        for column in columns
    )
    return table(("column", "names that are recognised", "required", "the answer"), rows)


def stale(written: Mapping[str, str], folder: Path = DOCS) -> list[str]:
    """The pages in ``folder`` that differ from ``written``, are missing, or belong to a strategy or task that is gone."""
    present = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.*"))
        if path.suffix in (".md", ".svg")
    }
    generated = {name: text for name, text in present.items() if BEGIN in text}
    return sorted(name for name in written.keys() | generated.keys() if written.get(name) != present.get(name))


def main(arguments: list[str]) -> int:
    written = pages()
    changed = stale(written)
    if "--check" in arguments:
        sys.stdout.writelines(f"docs/{name}: this is not what the code says. Type make docs.\n" for name in changed)
        return int(bool(changed))
    for name in changed:
        (DOCS / name).unlink(missing_ok=True)
        if name in written:
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(written[name], encoding="utf-8")
    print(f"docs: {len(written)} generated pages, {len(changed)} of them changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
