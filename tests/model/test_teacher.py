"""Models that know the task of a run: those that do not fit are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

import tiny
from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.model.teacher import masked_model, taught


@pytest.fixture(scope="module")
def pupil() -> Run:
    return tiny_fit(None, steps=1).run


def saved(folder: Path, *labels: str) -> str:
    """A tuned model for two labels."""
    model = tiny.bert(seed=5)
    model.config.id2label, model.config.label2id = dict(enumerate(labels)), {label: number for number, label in enumerate(labels)}
    model.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return str(folder)


def test_building_it_moves_no_random_numbers(tmp_path: Path, pupil: Run) -> None:
    spec = saved(tmp_path, "bad", "good")
    before = torch.get_rng_state()
    model = taught(spec, pupil, "distil")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(model.module.classifier.weight, tiny.bert(seed=5).classifier.weight)


def test_one_without_the_head_is_refused(tmp_path: Path, pupil: Run) -> None:
    with pytest.raises(InputError, match=r"distil: .* has no head for this task.*Tune it on the same task"):
        taught(str(tiny.folder(tmp_path)), pupil, "distil")


def test_one_of_other_labels_is_refused(tmp_path: Path, pupil: Run) -> None:
    with pytest.raises(InputError, match="its labels"):
        taught(saved(tmp_path, "sports", "politics"), pupil, "distil")


def test_one_with_another_vocabulary_is_refused(tmp_path: Path, pupil: Run) -> None:
    spec = saved(tmp_path, "bad", "good")
    tokenizer = tiny.tokenizer()
    tokenizer.add_tokens(["unheard"])
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="another vocabulary"):
        taught(spec, pupil, "curriculum")


def test_one_that_is_not_there_is_refused(pupil: Run) -> None:
    with pytest.raises(InputError, match="no folder"):
        taught("/nowhere/at/all", pupil, "distil")


def test_a_masked_model_is_frozen_and_has_the_same_vocabulary(tmp_path: Path, pupil: Run) -> None:
    torch.manual_seed(0)
    transformers.BertForMaskedLM(tiny.configs["bert"]()).save_pretrained(tmp_path / "masked")
    tiny.tokenizer().save_pretrained(tmp_path / "masked")
    model = masked_model(str(tmp_path / "masked"), pupil.tokenizer, 64, "strategy")
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())
    with pytest.raises(InputError, match=r"strategy: .* has no head for masked tokens"):
        masked_model(str(tiny.folder(tmp_path)), pupil.tokenizer, 64, "strategy")
    other = tiny.tokenizer()
    other.add_tokens(["unheard"])
    with pytest.raises(InputError, match=r"strategy: .* has another vocabulary"):
        masked_model(str(tmp_path / "masked"), other, 64, "strategy")
    with pytest.raises(InputError, match=r"reads 72 tokens at most, and rows have up to 80.*task.max_length: 72"):
        masked_model(str(tmp_path / "masked"), pupil.tokenizer, 80, "strategy")
