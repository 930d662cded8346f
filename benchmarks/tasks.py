"""What tuning brings on every task: a real model before and after, on real data.

    ASSETS=assets python benchmarks/tasks.py [--minutes 60] [--rows N] [--only addresses ...] [--seeds 3] [--table]

``ASSETS`` is a folder with ``data/<set>/{train,test}.jsonl`` and ``models/<name>``. Runs that ``benchmarks/results/tasks.json`` does not
hold yet are done, each in a process of its own, until the time is over, and a table is printed; ``--table`` does no runs. ``--rows``
caps the rows that are learned from and judged by, for slow machines: such runs are kept apart from the full ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

import assets
from assets import ASSETS, here
from turns import apart, peak

RESULTS = Path(__file__).parent / "results" / "tasks.json"

LORA = {"lora": {"rank": 16, "targets": "all"}}
WORDS = {"batch_size": 16, "epochs": 3}
WRITING = {"batch_size": 8, "epochs": 1}

# case -> recipe, rows to learn from and to judge by, and which rows count
CASES: dict[str, dict[str, Any]] = {
    "addresses": {"set": "ner_address", "model": "minilm-l6", "task": "token_classification", "rows": (1000, 500), "training": WORDS},
    "parts of speech": {"set": "pos_brown", "model": "minilm-l6", "task": "token_classification", "rows": (1000, 500), "training": WORDS},
    "package tags": {
        "set": "tags_debian", "model": "minilm-l6", "rows": (3000, 500), "training": WORDS,
        "validation": "10%",  # they choose the threshold
        "task": {"text_classification": {"kind": "multi", "max_length": 128}},
    },
    "yes or no": {
        "set": "pair_boolq", "model": "minilm-l6", "rows": (2000, 500), "training": WORDS,
        "task": {"text_classification": {"max_length": 192}},
    },
    "chinese reviews": {
        "set": "sentiment_zh", "model": "multilingual-e5-small", "rows": (2000, 500), "training": WORDS,
        "task": {"text_classification": {"max_length": 128}},
    },
    "answers in texts": {"set": "qa_disfl", "model": "minilm-l6", "task": "extractive_qa", "rows": (506, 200), "training": WORDS},
    "medical choices": {
        "set": "mcq_medical", "model": "minilm-l6", "rows": (2000, 400), "training": WORDS,
        "task": {"multiple_choice": {"max_length": 96}},
    },
    "common sense": {
        "set": "mcq_commonsense", "model": "minilm-l6", "rows": (2000, 400), "training": WORDS,
        "task": {"multiple_choice": {"max_length": 96}},
    },
    "summaries": {
        "set": "summ_debian", "model": "smollm2-135m-instruct", "rows": (1000, 100), "training": WRITING, "strategies": [LORA],
        "task": {"sequence_to_sequence": {"kind": "summary", "max_source_length": 256, "max_target_length": 32}},
    },
    "summaries, encoder and decoder": {
        "set": "summ_debian", "model": {"encoder": "minilm-l6", "decoder": "minilm-l6"}, "rows": (3000, 100), "training": WORDS,
        "task": {"sequence_to_sequence": {"kind": "summary", "max_source_length": 256, "max_target_length": 32}},
    },
    "english to french": {
        "set": "mt_debian", "model": "smollm2-135m-instruct", "rows": (1000, 100), "training": WRITING, "strategies": [LORA],
        "only": {"tgt_lang": "fr"},
        "task": {"sequence_to_sequence": {"kind": "translation", "max_source_length": 192, "max_target_length": 128}},
    },
    "instructions": {
        "set": "sft_alpaca", "model": "smollm2-135m-instruct", "rows": (1000, 100), "training": WRITING, "strategies": [LORA],
        "only": {"language": "en"}, "task": {"chat": {"max_length": 512}},
    },
    "small talk in 28 languages": {
        "set": "chat_multilingual", "model": "smollm2-135m-instruct", "rows": (2000, 200), "training": WRITING, "strategies": [LORA],
        "task": {"chat": {"max_length": 256}},
    },
    "emoji and their captions": {
        "set": "image_emoji", "model": {"vision": "dinov2-small", "text": "minilm-l6"}, "rows": (800, 121),
        "training": {"batch_size": 64, "micro_batch": 64, "epochs": 5, "learning_rate": 5e-4}, "task": "image_text",
        "strategies": [{"freeze": {"patterns": ["vision_model.*"]}}],
    },
    "digits": {"set": "image_mnist", "model": "dinov2-small", "task": "image_classification", "rows": (500, 300), "training": WORDS},
    "telephone prompts": {
        "set": "audio_prompts", "model": "whisper-tiny-en", "rows": (400, 60), "training": {"batch_size": 8, "epochs": 3},
        "task": "speech_recognition", "only": {"label": "en"},
    },
    "spoken language": {
        "set": "audio_prompts", "model": "whisper-tiny-en", "task": "audio_classification", "rows": (400, 91),
        "training": {"batch_size": 8, "epochs": 2},
    },
}  # fmt: skip


def one(name: str, seed: int, cap: int | None) -> dict[str, Any]:
    """One run: scores before and after, and what it cost."""
    import tunesmith

    case = CASES[name]
    with tempfile.TemporaryDirectory() as scratch:
        for beside in (ASSETS / "data" / case["set"]).iterdir():  # pictures and recordings, which rows name from the folder of their file
            if beside.is_dir():
                (Path(scratch) / beside.name).symlink_to(beside, target_is_directory=True)
        report = tunesmith.train(
            model=model_of(case["model"]),
            task=case["task"],
            data={
                "train": rows(case, "train", min(case["rows"][0], cap or case["rows"][0]), Path(scratch)),
                "validation": case.get("validation"),
                "test": rows(case, "test", min(case["rows"][1], cap or case["rows"][1]), Path(scratch)),
                "on_bad_row": "skip",
            },
            strategies=["clip", *case.get("strategies", [])],
            training=case["training"] | {"ship": "last"},
            seed=seed,
            runs=Path(scratch) / "runs",
        )
    scores = report.scores
    primary = scores["primary"]
    return {
        "metric": primary, "base": scores["base"].get(primary), "tuned": scores["tuned"][primary],
        "all": {when: {name: value for name, value in scores[when].items() if isinstance(value, float)} for when in ("base", "tuned")},
        "rows": [report.facts.rows["train"], scores["examples"]],
        "seconds": scores["seconds"], "tokens_per_second": scores["tokens_per_second"], "peak_mb": peak(),
    }  # fmt: skip


def rows(case: dict[str, Any], split: str, most: int, folder: Path) -> str:
    """A file of the rows that count; every nth of them when there are more than ``most``."""
    found = [row for row in assets.table(case["set"], split) if all(row[column] == value for column, value in case.get("only", {}).items())]
    path = folder / f"{split}.jsonl"
    kept = found[:: max(1, len(found) // most)][:most]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), encoding="utf-8")
    return str(path)


def model_of(given: Any) -> Any:
    """Names of models as folders."""
    if isinstance(given, dict):
        return {role: model_of(name) for role, name in given.items()}
    return str(ASSETS / "models" / given)


def table(done: dict[str, Any], cap: int | None) -> str:
    """A row of markdown for each case, over its seeds."""
    lines = ["| data | model | rows | metric | base | tuned | seconds | tokens/s | seeds |", "|---|---|--:|---|--:|--:|--:|--:|--:|"]
    for name, case in CASES.items():
        found = [value for key, value in done.items() if key.startswith(f"{name}/{cap or 'all'}/")]
        if not found:
            continue
        base, tuned = ([run[of] for run in found if run[of] is not None] for of in ("base", "tuned"))
        spread = f" ({min(tuned):.3f} to {max(tuned):.3f})" if len(tuned) > 1 else ""
        model = case["model"] if isinstance(case["model"], str) else " + ".join(case["model"].values())
        cells = (
            f"{name}: `{case['set']}`", model, f"{found[0]['rows'][0]:,} / {found[0]['rows'][1]}", found[0]["metric"],
            f"{statistics.mean(base):.3f}" if base else "", f"{statistics.mean(tuned):.3f}{spread}",
            f"{statistics.median(run['seconds']['train'] for run in found):,.0f}",
            f"{statistics.median(run['tokens_per_second'] for run in found):,.0f}", str(len(found)),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], int(given.one[2]), given.rows)))
        return
    if not (given.table or here()):
        return
    done: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    end = time.monotonic() + 60 * given.minutes
    for seed in range(0 if given.table else given.seeds):
        for name in given.only:
            key = f"{name}/{given.rows or 'all'}/{seed}"
            if key in done or time.monotonic() > end:
                continue
            done[key] = apart(name, "", seed, given.rows)
            print(key, done[key], flush=True)
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(dict(sorted(done.items())), indent=0) + "\n", encoding="utf-8")
    print(table(done, given.rows))


if __name__ == "__main__":
    main()
