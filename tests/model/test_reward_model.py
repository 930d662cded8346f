"""A classifier or a ranker as a judge of texts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.reward_model import RewardModel

RUN: Any = SimpleNamespace(device=torch.device("cpu"), say=lambda line: None)
TEXTS = ["a good film", "the worst film by far", "no"]


def judge(path: Path, **config: Any) -> tuple[str, Any]:
    torch.manual_seed(0)
    module = transformers.BertForSequenceClassification(tiny.configs["bert"](**config)).eval()
    module.save_pretrained(path)
    tiny.tokenizer().save_pretrained(path)
    return str(path), module


def outputs(module: Any, *texts: str) -> torch.Tensor:
    with torch.no_grad():
        return module(**tiny.tokenizer()(*texts, return_tensors="pt")).logits[0]  # type: ignore[no-any-return]


def test_the_reward_is_the_probability_of_a_label(tmp_path: Path) -> None:
    spec, module = judge(tmp_path, id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})
    expected = [float(outputs(module, text).softmax(-1)[1]) for text in TEXTS]
    assert RewardModel(spec, "good", False, RUN, "tester")(TEXTS, [""] * 3, [""] * 3) == pytest.approx(expected, abs=1e-5)
    assert RewardModel(spec, "", False, RUN, "tester")(TEXTS, [""] * 3, [""] * 3) == pytest.approx(expected, abs=1e-5), "the second"
    assert RewardModel(spec, "bad", False, RUN, "tester")(TEXTS, [""] * 3, [""] * 3) == pytest.approx(
        [1 - value for value in expected], abs=1e-5
    )


def test_a_ranker_reads_the_question_too(tmp_path: Path) -> None:
    spec, module = judge(tmp_path, num_labels=1)
    found = RewardModel(spec, "", True, RUN, "tester")(TEXTS, ["who ?"] * 3, [""] * 3)
    assert found == pytest.approx([float(outputs(module, "who ?", text).sigmoid()) for text in TEXTS], abs=1e-5)


def test_what_cannot_judge_is_refused(tmp_path: Path) -> None:
    spec, _ = judge(tmp_path / "three", id2label=dict(enumerate(("bad", "good", "fine"))))
    with pytest.raises(InputError, match=r"has no label 'goood'\. Did you mean good\?"):
        RewardModel(spec, "goood", False, RUN, "tester")
    with pytest.raises(InputError, match=r"has 3 labels\. Say which, label: one of bad, good, fine"):
        RewardModel(spec, "", False, RUN, "tester")
    with pytest.raises(InputError, match="has no head that judges texts"):
        RewardModel(str(tiny.folder(tmp_path)), "", False, RUN, "tester")
