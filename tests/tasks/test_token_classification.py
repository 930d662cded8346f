"""Token classification on what people have: windows, entities with their places, bad rows with theirs, and the base line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from training import encoded
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.data.encode import Encoded
from tunesmith.data.load import load
from tunesmith.data.settings import DataSettings
from tunesmith.evaluate.score import predict
from tunesmith.tasks.token_classification import TokenClassification

ROWS = TokenClassification.example()[1]


def learned(rows: list[dict[str, Any]] = ROWS, **settings: Any) -> TokenClassification:
    task = TokenClassification(**settings)
    task.learn(rows)
    return task


class Knowing(torch.nn.Module):
    """Puts out the label whose number is the token's id less that of ``a``, wherever it stands."""

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        from transformers.modeling_outputs import TokenClassifierOutput

        wanted = (input_ids - tiny.VOCABULARY.index("a")).clamp(0, 4)
        return TokenClassifierOutput(logits=torch.nn.functional.one_hot(wanted, 5).float() * 9)


def predicted(task: TokenClassification, texts: list[Any]) -> list[dict[str, Any]]:
    data = Encoded([task.encode([task.read({"text": text}) for text in texts], tiny.tokenizer())])
    return predict(Forward(Knowing()), data, task, tiny.tokenizer())


def test_entities_with_their_places() -> None:
    task = TokenClassification(scheme="bio", labels=["O", "B-X", "I-X", "B-Y", "I-Y"], parting="words", max_length=8)
    a, b, inside = tiny.WORDS[0], tiny.WORDS[1], tiny.WORDS[2]  # O, B-X, I-X
    long = " ".join([a, b, inside, a] * 6)
    one, two = predicted(task, [f"{b}  {inside} {a}", long])
    assert one["tokens"] == [b, inside, a]
    assert one["entities"][0] | {"confidence": 0} == {
        "label": "X",
        "text": f"{b}  {inside}",
        "start": 0,
        "end": len(b) + len(inside) + 2,
        "confidence": 0,
    }
    assert one["entities"][0]["confidence"] > 0.9
    assert two["tags"] == ["O", "B-X", "I-X", "O"] * 6  # read in windows
    assert all(long[entity["start"] : entity["end"]] == entity["text"] for entity in two["entities"])
    assert len(two["entities"]) == 6


def test_only_what_the_scheme_allows_unless_each_tag_stands_alone() -> None:
    settings: dict[str, Any] = {"scheme": "bio", "labels": ["O", "B-X", "I-X", "B-Y", "I-Y"], "parting": "words"}
    wrong = f"{tiny.WORDS[0]} {tiny.WORDS[2]}"  # O I-X
    assert predicted(TokenClassification(**settings, decoding="each"), [wrong])[0]["tags"] == ["O", "I-X"]
    assert predicted(TokenClassification(**settings), [wrong])[0]["tags"] != ["O", "I-X"]


def test_parts_of_speech() -> None:
    rows = [{"text": ["a", "film"], "tags": ["DET", "NOUN"]}, {"text": ["good", "film"], "tags": ["ADJ", "NOUN"]}]
    task = learned(rows)
    assert task.primary == "accuracy"
    read = [task.read(row) for row in rows]
    (given,) = task.baselines(read[:1], read).values()
    assert [prediction["tags"] for prediction in given] == [["DET", "NOUN"], ["DET", "NOUN"]]
    assert "entities" not in given[0]
    scores = task.metrics(given, read)
    assert scores["accuracy"] == 0.75
    assert scores["per_class"]["NOUN"]["f1"] == 1
    assert task.correct(given, read) == [1, 0.5]
    assert task.shown(read[1], given[1])["truth"] == "good/ADJ film/NOUN"
    with pytest.raises(InputError, match="decoding is not read"):
        learned(rows, decoding="each")


def test_every_bad_row_is_told_with_its_place(tmp_path: Path) -> None:
    good = "a O\nfilm B-X\nfilm I-X\n\n"
    (tmp_path / "train.conll").write_text(good * 3 + "b I-X\n")
    (tmp_path / "valid.conll").write_text(good + "b B-Y\n")
    with pytest.raises(InputError) as error:
        load(DataSettings(str(tmp_path / "train.conll"), str(tmp_path / "valid.conll"), None), TokenClassification(), 0)
    first, second = map(str, error.value.problems)
    assert "train.conll:13 tags: 'I-X' at token 1 ('b') comes first, which bio does not allow. Begin the entity" in first
    assert "valid.conll:5 tags: 'B-Y' is not a tag of the training rows. Did you mean 'B-X'?" in second


def test_people_see_entities_in_brackets() -> None:
    task = learned()
    row = task.read(ROWS[1])
    (given,) = task.baselines([row], [row])["most_frequent_tag"]
    shown = task.shown(row, given)
    assert shown["truth"] == "a [small woman WHO] loved the [new film WHAT]"
    assert shown["predicted"] == shown["truth"]


def test_the_loss_counts_tokens() -> None:
    task = TokenClassification(max_length=8)
    data = encoded(task, ROWS)
    batch = task.collate([data[item] for item in range(len(data))], tiny.tokenizer())
    assert int((batch.targets["labels"] >= 0).sum()) == sum(len(row["tags"]) for row in ROWS)
