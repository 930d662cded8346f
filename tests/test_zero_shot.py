"""Classification without training: which way a model can, what rows may hold, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tiny
from test_labelling import LABELS, TEXTS, saved
from tunesmith.core.errors import InputError
from tunesmith.labelling import Asked
from tunesmith.model.sources import resolve
from tunesmith.zero_shot import labels_in, ways_of, zero_shot


def test_labels_in_a_file_are_compared(tmp_path: Path) -> None:
    tuned = zero_shot(saved(tmp_path, "AutoModelForMaskedLM", "bert"), Asked(LABELS, pattern="{text} it was {label} ."))
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, ("good", "bad", 1), strict=True)]
    answers = [p["label"] for p in tuned.predict(TEXTS)]
    assert tuned.evaluate(rows)["accuracy"] == sum(a == b for a, b in zip(answers, ("good", "bad", "bad"), strict=True)) / 3


def test_the_way_is_what_the_model_can(tmp_path: Path) -> None:
    expected = {"AutoModel": "embedding", "AutoModelForMaskedLM": "masked", "AutoModelForPreTraining": "masked"}
    for auto, way in expected.items():
        assert ways_of(resolve(saved(tmp_path, auto, "bert"))) == [way]
    assert ways_of(resolve(saved(tmp_path, "AutoModelForCausalLM", "gpt2"))) == ["causal"]
    assert ways_of(resolve(saved(tmp_path, "AutoModelForSeq2SeqLM", "bart"))) == ["text_to_text"]
    assert ways_of(resolve(str(tiny.folder(tmp_path, "clip")))) == ["pictures"]
    both = tmp_path / "AutoModelForMaskedLM" / "modules.json"
    both.write_text(json.dumps([]), encoding="utf-8")
    assert ways_of(resolve(str(both.parent))) == ["embedding", "masked"]
    with pytest.raises(InputError, match="labels nothing without training"):
        ways_of(resolve(saved(tmp_path, "AutoModelForSequenceClassification", "bert")))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked({"good": "good"}), "two labels at least"),
        (Asked(LABELS, way="entailment"), "no label that says entailment"),
        (Asked(LABELS, way="pictures"), "does not bring pictures and texts together"),
        (Asked(LABELS, way="text_to_text"), "has no encoder and decoder of texts"),
        (Asked(LABELS, prior="premise"), "--prior is not read where labels are found by embedding"),
        (Asked(LABELS, pattern="{text} is {label}"), r"--pattern .* must have \{label\}, once"),
        (Asked(LABELS, way="masked", pattern="it is {label}"), r"must have \{text\} and \{label\}"),
        (Asked(LABELS, way="masked", pattern="{text} was {label}"), "cannot label by masked: cls.* would be new"),
        (Asked(LABELS, way="causal", pattern="{label} {text}"), "before it writes the label"),
    ],
)
def test_what_nothing_would_read_is_refused(asked: Asked, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        zero_shot(saved(tmp_path, "AutoModel", "bert"), asked)


def test_labels_as_they_are_written() -> None:
    assert labels_in("good, very_bad") == {"good": "good", "very_bad": "very bad"}
    assert labels_in("good: praises it, and more; bad: blames it; odd") == {
        "good": "praises it, and more",
        "bad": "blames it",
        "odd": "odd",
    }
    for text in ("good,", "good,good", ": what praises; bad"):
        with pytest.raises(InputError, match="an empty label, or one twice"):
            labels_in(text)
