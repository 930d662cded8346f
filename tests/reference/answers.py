"""Writes answers.json: what the official scripts of SQuAD 1.1, SQuAD 2.0 and CMRC 2018 say of a list of answers.

    PYTHONPATH=folder-of-nltk python tests/reference/answers.py evaluate-v1.1.py evaluate-v2.0.py cmrc2018_evaluate.py

The scripts: https://rajpurkar.github.io/SQuAD-explorer and https://github.com/ymcui/cmrc2018/tree/master/squad-style-data. That of CMRC
is in Python 2, and is translated on the way. NLTK 3.10 parts words for it; ``preserve_line`` spares its sentence model, which
changes nothing in a text of one sentence.
"""

from __future__ import annotations

import json
import runpy
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_suffix(".json")
ENGLISH: list[tuple[str, list[str]]] = [
    ("the Eiffel Tower", ["Eiffel Tower"]),
    ("Eiffel tower!", ["an Eiffel Tower in Paris", "tower"]),
    ("in Paris , France", ["Paris", "Paris, France", "in the city of Paris"]),
    ("1,000 men", ["1000 men"]),
    ("a man and a man", ["man", "the man and the dog"]),
    ("London", ["Paris"]),
    ("", ["Paris"]),
    ("", []),
    ("Paris", []),
    ("the", []),
    ("the", ["The"]),
    ("a", ["The", "a dog"]),
    ("...", ["!"]),
    ("", ["the"]),
    ("Zürich", ["zürich"]),
    ("well-known", ["well known", "wellknown"]),
    ("  two   words ", ["two words"]),
    ("don't", ["dont", "do not"]),
]
CHINESE: list[tuple[str, list[str]]] = [
    ("范廷颂", ["范廷颂"]),
    ("范廷颂枢机", ["范廷颂", "保禄·若瑟范廷颂"]),
    ("1963年在河内", ["1963年", "于1963年"]),
    ("《星球大战》", ["星球大战"]),
    ("北京，上海。", ["北京上海", "上海"]),
    ("上海和北京", ["北京和上海"]),
    ("", ["北京"]),
    ("没有", ["北京"]),
    ("苹果 iPhone 4S", ["iPhone 4S 手机", "苹果iPhone"]),
    ("约3.5%的人", ["3.5%", "约三成"]),
    ("1,000人", ["1,000人左右", "1000人"]),
    ("KAPPA MIKEY", ["kappa mikey"]),
    ("“引号”……", ["引号"]),
    ("一九九七年七月一日", ["1997年7月1日", "一九九七年"]),
    ("国立台湾大学", ["國立臺灣大學", "台湾大学"]),
    ("a-b", ["ab", "a b"]),
]
DOUBTS = [0.1, 0.9, 0.4, 0.35, 0.8, 0.7, 0.95, 0.2, 0.6, 0.5, 0.3, 0.15, 0.05, 0.75, 0.25, 0.45, 0.55, 0.65]  # one for each of ENGLISH
PYTHON_2 = {"reload(sys)": "", "sys.setdefaultencoding('utf8')": "", ".decode('utf-8')": "", "ur'": "r'"}


def squad_1(script: dict[str, Any]) -> list[list[float]]:
    over = script["metric_max_over_ground_truths"]
    return [
        [float(over(script[name], answer, truths)) for name in ("exact_match_score", "f1_score")] for answer, truths in ENGLISH if truths
    ]


def squad_2(script: dict[str, Any]) -> dict[str, Any]:
    rows = [{"id": str(i), "answers": [{"text": truth} for truth in truths]} for i, (_, truths) in enumerate(ENGLISH)]
    given = {str(i): answer for i, (answer, _) in enumerate(ENGLISH)}
    exact, f1 = script["get_raw_scores"]([{"paragraphs": [{"qas": rows}]}], given)
    doubts, has_answer = {str(i): doubt for i, doubt in enumerate(DOUBTS)}, {row["id"]: bool(row["answers"]) for row in rows}
    best, threshold = script["find_best_thresh"](given, f1, doubts, has_answer)
    return {"scores": [[float(exact[row["id"]]), float(f1[row["id"]])] for row in rows], "best": [best / 100, threshold]}


def cmrc(script: dict[str, Any]) -> list[list[float]]:
    return [[float(script[f"calc_{name}_score"](truths, answer)) for name in ("em", "f1")] for answer, truths in CHINESE]


def main(first: str, second: str, third: str) -> None:
    import nltk  # type: ignore[import-not-found]

    nltk.word_tokenize = partial(nltk.word_tokenize, preserve_line=True)
    text = Path(third).read_text(encoding="utf-8")
    for old, new in PYTHON_2.items():
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        translated = Path(folder) / "cmrc.py"
        translated.write_text(text, encoding="utf-8")
        found = {
            "squad_1": squad_1(runpy.run_path(first)),
            "squad_2": squad_2(runpy.run_path(second)),
            "cmrc": cmrc(runpy.run_path(str(translated))),
        }
    cases = {"english": ENGLISH, "chinese": CHINESE, "doubts": DOUBTS}
    OUT.write_text(json.dumps({**cases, **found}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
