"""What ``benchmarks/strategies.py`` has measured, as a page, a picture for each setting, and rows for the pages of the strategies."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from pieces import BEGIN, linked, table

from tunesmith.core.observer import Observer
from tunesmith.recipes.find import find, names
from tunesmith.report.scale import Scale

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "strategies.json"
FIGURES = RESULTS.parents[1] / "README.md"
ELSEWHERE = {  # section of the figures -> strategies that are measured there, which need more than rows with labels
    "Few labels": ("few_shot", "last_layer", "mean_pooling"),
    "Shares of the labels": ("augment", "consistency", "curriculum", "self_training"),
    "Groups": ("adversarial_debiasing", "balance", "fairness", "group_dro"),
    "Lifelong learning": ("ewc", "gem", "lwf", "replay", "si"),
    "Across domains": ("coral", "domain_adversarial", "mmd"),
    "Soft prompts": ("p_tuning", "prefix", "prompt"),
}
PLAIN = "plain"
ALONE = {PLAIN: "**plain**", "auto": "[**auto**](advice.md)"}  # what is no strategy
HEAD = ("score", "gain", "time", "memory", "learned", "seeds")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 460, 52, 660, 12, 412  # of a picture and its axes, in pixels
LETTER, LINE = 6.3, 12  # about the width of a letter, and the height of a line
MOST = 5.0  # times the time of plain fine-tuning; what takes longer stands at the edge
LEGEND = "upwards: gain in points; to the right: time of training, that of plain fine-tuning is 1"
STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#444}.grid{stroke:#ddd}.zero{stroke:#888}.one{fill:#2563eb}.plain{fill:#dc2626}"
    "@media(prefers-color-scheme:dark){text{fill:#bbb}.grid{stroke:#333}.one{fill:#60a5fa}.plain{fill:#f87171}}"
)


class Worth(NamedTuple):
    """A strategy in a setting, over the seeds that it and plain fine-tuning both have."""

    score: float
    gain: float  # in points, over plain fine-tuning with the same seeds
    error: float | None  # twice the standard error of the gain: over three seeds or more, else over the rows
    time: float  # ratio to plain fine-tuning
    memory: float
    learned: float  # share of the weights
    seeds: int

    def cells(self) -> tuple[str, ...]:
        error = f" ± {self.error:.1f}" if self.error is not None else ""
        gain = f"{self.gain:+.1f}{error}"
        return f"{self.score:.3f}", gain, f"{self.time:.2f}", f"{self.memory:.2f}", f"{self.learned:.1%}", f"{self.seeds}"


@cache
def results() -> dict[str, Any]:
    """The file of the benchmark."""
    return dict(json.loads(RESULTS.read_text(encoding="utf-8")))


def worths(setting: str) -> dict[str, Worth]:
    """What was measured of each strategy in a setting, the best first."""
    runs = results()["runs"]
    scored = {key.split("/")[1] for key, run in runs.items() if key.startswith(f"{setting}/") and "score" in run}
    found = {name: worth for name in scored if (worth := _worth(runs, setting, name)) is not None}
    return dict(sorted(found.items(), key=lambda item: (-item[1].score, item[0])))


def _worth(runs: Mapping[str, Any], setting: str, name: str) -> Worth | None:
    every = sorted(key.rpartition("/")[2] for key in runs if key.startswith(f"{setting}/{name}/"))
    seeds = [seed for seed in every if all("score" in runs.get(f"{setting}/{of}/{seed}", {}) for of in (name, PLAIN))]
    if not seeds:
        return None
    mine, plain = ([runs[f"{setting}/{of}/{seed}"] for seed in seeds] for of in (name, PLAIN))
    gains = [100 * (one["score"] - other["score"]) for one, other in zip(mine, plain, strict=True)]
    apart = gains if len(gains) > 2 else _rows(mine, plain)
    error = 2 * statistics.stdev(apart) / len(apart) ** 0.5 if len(apart) > 2 and name != PLAIN else None
    time, memory = (
        statistics.median(one[key] / other[key] for one, other in zip(mine, plain, strict=True)) for key in ("effort", "peak_mb")
    )
    score = statistics.mean(run["score"] for run in mine)
    return Worth(score, statistics.mean(gains), error, time, memory, mine[0]["learned"], len(seeds))


def _rows(mine: Sequence[Mapping[str, Any]], plain: Sequence[Mapping[str, Any]]) -> list[int]:
    """By how many points each judged row is better than with plain fine-tuning, where rows are right or wrong."""
    pairs = [
        pair for one, other in zip(mine, plain, strict=True) for pair in zip(one.get("right", ""), other.get("right", ""), strict=True)
    ]
    return [100 * (int(one) - int(other)) for one, other in pairs]


def of(name: str) -> list[str]:
    """The part of a strategy's page: what was measured of it in each setting, and links to the sections that have more."""
    rows = [(f"[{titled(setting)}](../measured.md)", *known[name].cells()) for setting in settings() if name in (known := worths(setting))]
    more = [section(title, "../..") for title, those in ELSEWHERE.items() if name in those]
    found = [table(("where", *HEAD), rows)] * bool(rows) + [f"Figures: {', '.join(more)}."] * bool(more)
    return ["## Measured", *found] if found else []


def settings() -> list[str]:
    """The settings in which plain fine-tuning was measured."""
    return [setting for setting in results()["settings"] if PLAIN in worths(setting)]


def titled(setting: str) -> str:
    told = results()["settings"][setting]
    labels = f" with {told['labels']} labels" if "labels" in told else ""
    epochs = f"{told['epochs']} epoch{'s' * (told['epochs'] != 1)}"
    return f"{told['rows']:,} rows of {told['data']}{labels}, {epochs}, {told['model'].removeprefix('sample:')}"


def blocks() -> list[str]:
    """The page: a picture and a table for each setting, the best first."""
    found = [
        "What `python benchmarks/strategies.py` has found so far: strategies at their defaults, beside plain fine-tuning. Scores are of "
        "test rows; gains are in points over plain fine-tuning with the same seeds, with twice the standard error of the paired "
        "differences, over the seeds where there are three, else over the rows; time of the steps (in units of matrix products that were "
        "timed between them, since the machine's speed changes) and peak memory of the process are ratios to it; *learned* is the share of "
        "the weights. What decides by evaluations learns from nine tenths of the rows, and its time has the evaluations in it. A strategy "
        "that does not help keeps its row. No settings were searched for; plain fine-tuning has its defaults, too.",
        f"Last run: {results()['date']}, threads: {results()['threads']}; the machine: [figures](../benchmarks/README.md).",
    ]
    for setting in settings():
        told, known = results()["settings"][setting], worths(setting)
        metric = next(run["metric"] for key, run in results()["runs"].items() if key.startswith(f"{setting}/") and "metric" in run)
        found += [
            f"## {titled(setting)}",
            f"The score is {metric} on {told['judged']} test rows; before tuning it is {_base(setting)}.",
            f"![Gain against time of training](measured-{setting}.svg)",
            table(("strategy", *HEAD), ((ALONE.get(name) or linked([name]), *worth.cells()) for name, worth in known.items())),
            *refused(setting, known),
        ]
    found += ["## Measured elsewhere", "Beside other peers, or where a strategy needs more than rows with labels:"]
    found += [table(("where", "strategies"), ((section(title), linked(those)) for title, those in ELSEWHERE.items()))]
    return [*found, f"Not measured so far: {linked(unmeasured())}."]


def refused(setting: str, known: Mapping[str, Worth]) -> list[str]:
    """What was refused in a setting and is not measured there, by reason."""
    reasons: dict[str, list[str]] = {}
    told = {
        key.split("/")[1]: run["refused"] for key, run in results()["runs"].items() if key.startswith(f"{setting}/") and "refused" in run
    }
    for name, text in sorted(told.items()):
        if name not in known:
            reason = re.sub(rf"^([\w.]+\.{name}: |data\.validation: )?('?{name}'?:? )?", "", text).partition(". ")[0].rstrip(".")
            reasons.setdefault(reason, []).append(name)
    lines = [f"- {reason}: {linked(those)}" for reason, those in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))]
    return ["Refused here:", "\n".join(lines)] if lines else []


def section(title: str, up: str = "..") -> str:
    """A link to a section of the figures. Raises ``ValueError`` where there is none, or where it does not name its strategies."""
    text = FIGURES.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0].lower()
    if missing := [name for name in ELSEWHERE[title] if not re.search(rf"\b{name}\b", text)]:
        raise ValueError(f"{FIGURES} has no section '{title}' that names {', '.join(missing)}")
    return f"[{title}]({up}/benchmarks/README.md#{title.lower().replace(' ', '-')})"


def unmeasured() -> list[str]:
    """The strategies without a figure anywhere."""
    known = {name for setting in settings() for name in worths(setting)}.union(*ELSEWHERE.values())
    return [name for name in names("strategies") if name not in known and not issubclass(find("strategies", name), Observer)]


def _base(setting: str) -> str:
    base = results()["runs"][next(key for key in results()["runs"] if key.startswith(f"{setting}/{PLAIN}/"))]["base"]
    return "not known" if base is None else f"{base:.3f}"


def picture(setting: str) -> str:
    """Gain over plain fine-tuning, upwards, against the time of training, to the right; an SVG that follows the reader's colours."""
    known = worths(setting)
    across = Scale.around([0.0, *(min(worth.time, MOST) for worth in known.values())])
    up = Scale.around([0.0, *(worth.gain for worth in known.values())])

    def x(time: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * across.at(time) / 100, 1)

    def y(gain: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * up.at(gain) / 100, 1)

    rules = [
        f'<line class="{"grid" if tick else "zero"}" x1="{LEFT}" x2="{RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>'
        f'<text x="{LEFT - 8}" y="{y(tick) + 4}" text-anchor="end">{tick:+g}</text>'
        for tick in up.ticks()
    ]
    times = [f'<text x="{x(tick)}" y="{BOTTOM + 18}" text-anchor="middle">{tick:g}</text>' for tick in across.ticks()]
    dots = [
        f'<circle class="{"plain" if name == PLAIN else "one"}" cx="{x(worth.time)}" cy="{y(worth.gain)}" r="3.5"/>'
        for name, worth in known.items()
    ]
    labels, taken = [], list[tuple[float, float, float]]()
    for name, worth in sorted(known.items(), key=lambda item: (item[0] != PLAIN, -abs(item[1].gain))):
        begin, at = x(worth.time) + 6, y(worth.gain) + 4
        end = begin + LETTER * len(name)
        if all(end < first or last < begin or abs(at - height) > LINE for first, last, height in taken):
            taken.append((begin, end, at))  # a name that would cover another is left to the table
            labels.append(f'<text x="{begin}" y="{at}">{escape(name)}</text>')
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"{BEGIN} from benchmarks/results/strategies.json. -->",
        f"<style>{STYLE}</style>",
        f"<title>{escape(titled(setting))}: gain in points against time of training</title>",
        *rules, *times, *dots, *labels,
        f'<text x="{RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{LEGEND}</text>',
        "</svg>\n",
    ))  # fmt: skip
