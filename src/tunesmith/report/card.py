"""The model card: README.md in the format of the Hugging Face Hub, front matter first."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML

from tunesmith.report import numbers
from tunesmith.report.facts import Facts
from tunesmith.report.making import flat, of_parts
from tunesmith.report.outcome import TESTED, contender, contenders, test_table
from tunesmith.report.verdict import CAVEATS, base_name, judge, thresholds

NAME = re.compile(r"^[\w-][\w.-]*$", re.ASCII)  # of a data set that the Hub need not have
HUB_ID = re.compile(r"^[\w-][\w.-]*/[\w-][\w.-]*$", re.ASCII)  # owner/name: what the Hub accepts as a link
# https://huggingface.co/docs/hub/repositories-licenses: those that our models and data sets have, and their near relatives
HUB_LICENCES = {
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "gpl-3.0",
    "lgpl-3.0",
}
HUB_LICENCES |= {
    "mpl-2.0",
    "openrail",
    "bigscience-openrail-m",
    "gemma",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "unlicense",
    "wtfpl",
    "odc-by",
}
# the names of the Hub where they differ from ours with '-' for '_'
PIPELINES = {"speech_recognition": "automatic-speech-recognition", "image_text": "zero-shot-image-classification"}
PIPELINES |= {"question_answering": "question-answering"} | dict.fromkeys(("language_model", "chat", "preference"), "text-generation")
KNOWN_PIPELINES = {"text-classification", "token-classification", "question-answering", "text-generation", "summarization", "translation"}
KNOWN_PIPELINES |= {"fill-mask", "sentence-similarity", "text-ranking", "image-classification", "automatic-speech-recognition"}
KNOWN_PIPELINES |= {"audio-classification", "zero-shot-image-classification"}
EXAMPLE = 200  # characters of the text in the code examples


def card(facts: Facts) -> str:
    """README.md. Sections for which there are no facts are left out."""
    parts = [
        f"---\n{_yaml(front_matter(facts))}---",
        f"# {_inline(facts.name)}",
        _what(facts),
        _scores(facts),
        _use(facts),
        _training(facts),
        _listed("Limits and warnings", [*facts.warnings, *_limits(facts)]),
        _listed("Environment", [f"{name}: {value}" for name, value in flat(facts.environment)]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(facts: Facts) -> dict[str, Any]:
    """The metadata that the Hub reads; ``huggingface_hub.ModelCardData`` takes it."""
    pipeline = _pipeline(facts)
    licence = re.sub(r"\s+", "-", facts.licences.get(facts.base_model, "").strip().lower())
    licences = {"license": licence} if licence in HUB_LICENCES else {"license": "other", "license_name": licence} if licence else {}
    metrics = sorted({metric.split("_")[0] if numbers.is_share(metric) else metric for metric in [facts.scores.get("primary")] if metric})
    found = {
        "base_model": facts.base_model if HUB_ID.match(facts.base_model) else None,
        "datasets": [name for name in facts.datasets if HUB_ID.match(name) or (name in facts.licences and NAME.match(name))],
        "language": list(facts.languages),
        **licences,
        "library_name": "peft" if facts.adapter else "transformers",
        "pipeline_tag": pipeline,
        "tags": list(dict.fromkeys(["tunesmith", facts.task.replace("_", "-"), *(strategy["name"] for strategy in facts.strategies)])),
        "metrics": metrics,
        "model-index": _index(facts),
    }
    return {key: value for key, value in found.items() if value}


def _pipeline(facts: Facts) -> str | None:
    name = PIPELINES.get(facts.task, facts.task.replace("_", "-"))
    return name if name in KNOWN_PIPELINES else None


def _index(facts: Facts) -> list[dict[str, Any]]:
    """The results in the Hub's model-index: https://github.com/huggingface/hub-docs/blob/main/modelcard.md."""
    name = ", ".join(facts.datasets) or "unnamed"
    judged = [(name, facts.scores), *facts.scores.get("tests", {}).items()]
    results = [_result(facts, *one) for one in judged]
    return [{"name": facts.name, "results": results}] if results[0]["metrics"] else []


def _result(facts: Facts, name: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    """What the tuned model reaches on the rows called ``name``."""
    found = numbers.scalars(scores.get("tuned", {}))
    metrics = [
        {"type": metric, "value": round(value, 6), "name": numbers.title(metric)} for metric, value in found.items() if value == value
    ]
    dataset = {"name": name, "type": name if HUB_ID.match(name) else "custom", "split": scores.get("split", "test")}
    return {"task": {"type": _pipeline(facts) or facts.task.replace("_", "-")}, "dataset": dataset, "metrics": metrics}


def _what(facts: Facts) -> str:
    verdict = judge(facts.scores)
    base = (
        f"[{facts.base_model}](https://huggingface.co/{facts.base_model})" if HUB_ID.match(facts.base_model) else _inline(facts.base_model)
    )
    origin = f"A model for {facts.task.replace('_', ' ')}, fine-tuned from {base} with tunesmith." if base else ""
    about = _inline(facts.model_about)
    finding = f"**{verdict.headline}.** {verdict.sentence} {verdict.advice}".strip()
    return "\n\n".join(text for text in (origin, about, finding) if text)


def _scores(facts: Facts) -> str:
    found = contenders(facts.scores)
    metrics = list(found.get("tuned", {}))
    if not metrics:
        return ""
    rows = [[numbers.title(metric), *(numbers.value(metric, values.get(metric)) for values in found.values())] for metric in metrics]
    split, count = facts.scores.get("split", ""), facts.scores.get("examples")
    where = f"Measured on {count:,} {split} rows.\n\n" if count else ""
    where += _interval(facts)
    where += f"{said}\n\n" if (said := thresholds(facts.scores)) else ""
    return f"## Scores\n\n{where}{_table(['metric', *(contender(name, facts.scores) for name in found)], rows)}{_tests(facts)}"


def _tests(facts: Facts) -> str:
    """How base and tuned model do on further test rows, where there are any."""
    if not facts.scores.get("tests"):
        return ""
    return f"\n\nOn further test rows:\n\n{_table(['test rows', 'metric', *TESTED, 'verdict'], test_table(facts.scores))}"


def _interval(facts: Facts) -> str:
    verdict = judge(facts.scores)
    if verdict.interval is None:
        return ""
    metric = facts.scores["primary"]
    low, high = (numbers.change(metric, end) for end in verdict.interval)
    gain = f"{verdict.gain} (95% interval {low} to {high}, paired bootstrap)"
    return f"Gain in {numbers.title(metric)} over the {base_name(facts.scores)}: {gain}.\n\n"


def _use(facts: Facts) -> str:
    text = json.dumps(str(facts.examples[0]["text"])[:EXAMPLE] if facts.examples else "A text to judge.", ensure_ascii=False)
    which = ", ".join([json.dumps(facts.name, ensure_ascii=False), *(f"task={json.dumps(name)}" for name in facts.tasks[:1])])
    code = [
        "import tunesmith",
        "",
        f"model = tunesmith.load({which})  # or the path of the run",
        f"print(model.predict([{text}]))",
    ]
    blocks = ["With tunesmith:", _fenced("\n".join(code), "python")]
    pipeline = _pipeline(facts)
    if facts.adapter and facts.auto:
        labels = facts.scores.get("tuned", {}).get("per_class")
        count = f", num_labels={len(labels)}" if labels else ""
        name = facts.auto.replace("AutoModel", "AutoPeftModel")
        code = [f"from peft import {name}", "from transformers import AutoTokenizer", "", f'model = {name}.from_pretrained("model"{count})']
        blocks += ["With peft:", _fenced("\n".join([*code, 'tokenizer = AutoTokenizer.from_pretrained("model")']), "python")]
    elif pipeline and facts.auto:
        code = [
            "from transformers import pipeline",
            "",
            f'model = pipeline("{pipeline}", model="model")  # the folder with the weights',
            f"print(model({text}))",
        ]
        blocks += ["With transformers:", _fenced("\n".join(code), "python")]
    return "## How to use\n\n" + "\n\n".join(blocks)


def _training(facts: Facts) -> str:
    rows = ", ".join(f"{number:,} {use}" for use, number in facts.rows.items() if number)
    data = [f"{_inline(name)} (licence: {_inline(facts.licences.get(name, 'not stated'))})" for name in facts.datasets]
    strategies = [f"{of_parts(strategy)}`{strategy['name']}`: {_inline(strategy.get('summary', ''))}" for strategy in facts.strategies]
    blocks = [
        _bullets([*(f"Data: {name}" for name in data), *([f"Rows: {rows}"] if rows else []), *map(_inline, facts.notes)]),
        "Strategies, outermost first:\n\n" + _bullets(strategies) if strategies else "",
        "The recipe:\n\n" + _fenced(facts.recipe_text, "yaml") if facts.recipe_text else "",
        "The same again:\n\n" + _fenced(facts.command, "sh") if facts.command else "",
    ]
    body = "\n\n".join(block for block in blocks if block)
    return f"## Training data and recipe\n\n{body}" if body else ""


def _limits(facts: Facts) -> list[str]:
    """What a reader should know before using the model, drawn from the facts."""
    scores = facts.scores
    found = [caveat] if (caveat := CAVEATS.get(scores.get("split", ""))) else []
    if facts.truncated:
        found.append(f"Long rows are cut, by {facts.bounds}: {facts.truncated:,} of {len(facts.lengths):,} training rows were.")
    classes = scores.get("tuned", {}).get("per_class", {})
    if len(classes) > 1:
        weakest = min(classes, key=lambda label: classes[label]["f1"])
        found.append(f"Weakest class: {weakest}, F1 {numbers.share(classes[weakest]['f1'])}.")
    further = f" and on {' and '.join(tests)}" if (tests := scores.get("tests")) else ""
    return [*found, f"Measured on data like the training data{further} only; other kinds of text may fare worse."]


def _listed(title: str, items: Sequence[str]) -> str:
    return f"## {title}\n\n{_bullets(map(_inline, items))}" if items else ""


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *("--:" for _ in header[1:])], *rows]
    return "\n".join("| " + " | ".join(map(_inline, line)) + " |" for line in lines)


def _inline(text: str) -> str:
    """Text as it is, on one line: what Markdown or HTML would take for markup is disarmed."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(str(text).split()))


def _fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any within."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _yaml(value: Any) -> str:
    yaml, stream = YAML(), io.StringIO()
    yaml.allow_unicode, yaml.width = True, 1000
    yaml.dump(value, stream)
    return stream.getvalue()
