"""What encoders and decoders read of choices, and log-likelihoods worked out token by token."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tiny
from tunesmith.core.task import Row
from tunesmith.data.choice_items import chosen, encode_choices, encode_continuations, likelihoods, pad_choices
from tunesmith.data.encode import Encoded

ROWS: list[Row] = [
    {"question": "the film was", "choices": ["good", "a bad film"], "answer": 1},
    {"question": "the cat", "context": "no dog", "choices": ["yes", "no", "it is"], "answer": 0},
]
TEMPLATE = "{context}the story : {question} ?"


def read(ids: list[int]) -> str:
    return " ".join(tiny.VOCABULARY[i] for i in ids)


def packed(items: list[Row]) -> list[Row]:
    encoded = Encoded([items])
    return [encoded[row] for row in range(len(encoded))]


def test_an_encoder_reads_each_choice_behind_its_question() -> None:
    items = packed(encode_choices(ROWS, tiny.tokenizer(), 64))
    inputs, targets, tokens, texts = pad_choices(items, tiny.tokenizer())
    assert inputs["input_ids"].shape == (5, 1, 9)
    assert [read([i for i in row if i != tiny.PAD]) for row in inputs["input_ids"][:, 0].tolist()] == [
        "[CLS] the film was [SEP] good [SEP]",
        "[CLS] the film was [SEP] a bad film [SEP]",
        "[CLS] no dog [SEP] the cat yes [SEP]",
        "[CLS] no dog [SEP] the cat no [SEP]",
        "[CLS] no dog [SEP] the cat it is [SEP]",
    ]
    assert inputs["token_type_ids"][1, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert tokens == inputs["attention_mask"].sum() == 7 + 9 + 8 + 8 + 9
    assert targets["answer"].tolist() == [1, 0]
    assert texts == [row["choices"] for row in ROWS]


def continued(rows: list[Row], unit: str = "tokens", max_length: int = 64, template: str = TEMPLATE) -> tuple[list[Row], Any]:
    items = packed(encode_continuations(rows, template, tiny.tokenizer(), max_length, unit))
    return items, pad_choices(items, tiny.tokenizer())


def test_a_decoder_learns_the_choice_alone() -> None:
    _, (inputs, targets, _, _) = continued(ROWS)
    for row, labels in zip(inputs["input_ids"].tolist(), targets["labels"].tolist(), strict=True):
        said = [label for label in labels if label != -100]
        start = labels.index(said[0])
        assert read(row[: start + 1]).startswith("[CLS] ")
        assert read(row[: start + 1]).endswith("?")
        assert row[start + 1 : start + len(said)] == said[:-1]
    assert [read([label for label in labels if label != -100]) for labels in targets["labels"].tolist()] == [
        choice for row in ROWS for choice in row["choices"]
    ]
    assert targets["owners"].tolist() == [0, 1, 1, 1, 2, 3, 4, 4]


@pytest.mark.parametrize(("unit", "divisors"), [("tokens", [1, 3, 1, 1, 2]), ("characters", [4, 10, 3, 2, 5]), ("none", [1, 1, 1, 1, 1])])
def test_log_likelihoods_are_divided_by_their_unit(unit: str, divisors: list[float]) -> None:
    _, (_, targets, _, _) = continued(ROWS, unit)
    assert targets["units"].tolist() == divisors


def test_likelihoods_by_hand() -> None:
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.5, 0.5]])
    targets = {"owners": torch.tensor([0, 1, 1]), "units": torch.tensor([1.0, 2.0])}
    logs = logits.log_softmax(dim=1)
    found = likelihoods(logits, torch.tensor([1, 0, 1]), targets)
    assert torch.allclose(found, torch.stack([logs[0, 1], (logs[1, 0] + logs[2, 1]) / 2]))


def test_a_long_text_loses_its_end_and_never_the_choice() -> None:
    row = {"question": "good " * 40 + "cat", "choices": ["no dog", "yes"], "answer": 0}
    [item], (inputs, targets, _, _) = continued([row], max_length=16)
    assert item["truncated"] == 41 + 5 + 2 - 16  # question, template with [CLS], the longest choice
    assert inputs["input_ids"].shape[1] == 15
    assert [read([label for label in labels if label != -100]) for labels in targets["labels"].tolist()] == ["no dog", "yes"]
    assert read(inputs["input_ids"][0].tolist()).split()[-2:] == ["?", "no"]


def test_a_choice_takes_half_at_most() -> None:
    [item], _ = continued([{"question": "cat", "choices": ["good " * 20, "no"], "answer": 0}], max_length=16)
    assert item["sizes"] == [14, 7]
    assert item["truncated"] == 12


def test_the_most_likely_choice_is_chosen_and_the_first_of_equals() -> None:
    assert chosen([0.1, 0.3, 0.1], ["a", "b", "c"]) == {
        "index": 1,
        "letter": "B",
        "choice": "b",
        "confidence": pytest.approx(0.6),
        "probabilities": pytest.approx([0.2, 0.6, 0.2]),
    }
    assert chosen([0, 0], ["a", "b"])["index"] == 0
    assert chosen([0, 0], ["a", "b"])["probabilities"] == [0.5, 0.5]
