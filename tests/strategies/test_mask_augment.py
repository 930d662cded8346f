"""Augmentation by a masked model: draws from its likeliest tokens, what stays, and models that do not fit."""

from __future__ import annotations

import math
from collections import Counter
from itertools import repeat
from pathlib import Path

import pytest
import torch
import transformers

import tiny
from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.strategies.mask_augment import MaskAugment, proposed


def test_tokens_are_drawn_from_the_likeliest_by_their_probability() -> None:
    logits = torch.tensor([[9.0, 2.0, 1.0, 0.0, -1.0]]).repeat(4000, 1)
    drawn = Counter(proposed(logits, torch.tensor([0]), 2, 1.0, torch.Generator().manual_seed(0)).tolist())
    assert set(drawn) == {1, 2}
    assert drawn[1] / 4000 == pytest.approx(1 / (1 + math.exp(-1)), abs=0.02)
    warm = Counter(proposed(logits, torch.tensor([0]), 2, 10.0, torch.Generator().manual_seed(0)).tolist())
    assert warm[1] / 4000 == pytest.approx(0.525, abs=0.03)


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """A masked language model that expects 'cat' everywhere."""
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(tiny.configs["bert"]())
    model.cls.predictions.bias.data[tiny.VOCABULARY.index("cat")] = 100.0
    model.save_pretrained(tmp_path / "masked")
    tiny.tokenizer().save_pretrained(tmp_path / "masked")
    return tmp_path / "masked"


def fed(strategy: MaskAugment, run: Run) -> list[dict[str, object]]:
    strategy.begin(run)
    return next(strategy.feed(repeat([run.train[i] for i in range(8)]), run))


def test_words_become_what_the_named_model_expects(masked: Path) -> None:
    run = tiny_fit(None, steps=1).run
    given, cat = [run.train[i] for i in range(8)], tiny.VOCABULARY.index("cat")
    found = fed(MaskAugment(share=1.0, rate=0.01, top=1, model=str(masked)), run)
    strategy = MaskAugment(share=0.1, rate=0.01, top=1, model=str(masked))
    strategy.begin(run)
    assert 0 < len(strategy.changes()) <= 10
    assert all("cat" in after and before != after for before, after in strategy.changes())
    for row, old in zip(found, given, strict=True):
        changed = [new for new, before in zip(row["input_ids"], old["input_ids"], strict=True) if new != before]  # type: ignore[call-overload]
        assert changed == [cat]  # one at least, and no special token
        assert {**row, "input_ids": 0} == {**old, "input_ids": 0}
    assert fed(MaskAugment(share=1.0, rate=0.01, top=1, model=str(masked)), run) == found


def test_the_share_decides_which_rows_change() -> None:
    run = tiny_fit(None, steps=1).run
    given = [run.train[i] for i in range(8)]
    changed = 0
    for step in range(30):
        run.clock = run.clock.at(step)
        changed += sum(row["input_ids"] != old["input_ids"] for row, old in zip(fed(MaskAugment(share=0.5), run), given, strict=True))
    assert changed / 240 == pytest.approx(0.5, abs=0.1)


def test_the_run_s_own_model_as_it_was_proposes_and_a_new_head_is_told(said: list[str]) -> None:
    run = tiny_fit(None, steps=1).run
    run.say = said.append
    strategy = MaskAugment()
    strategy.begin(run)
    assert "what it proposes is chance" in said[0]
    proposer = strategy._proposer
    assert proposer is not None
    assert not proposer.training
    assert not any(weight.requires_grad for weight in proposer.parameters())
    assert proposer.get_input_embeddings() is not run.model.get_input_embeddings()  # type: ignore[operator]


def test_models_that_do_not_fit_are_refused(masked: Path, tmp_path: Path) -> None:
    run = tiny_fit(None, steps=1).run
    with pytest.raises(InputError, match="has no head for masked tokens"):
        MaskAugment(model=str(tiny.folder(tmp_path))).begin(run)
    other = tiny.tokenizer()
    other.add_tokens(["unheard"])
    other.save_pretrained(masked)
    with pytest.raises(InputError, match="another vocabulary"):
        MaskAugment(model=str(masked)).begin(run)
    run.tokenizer = tiny.tokenizer()
    run.tokenizer.mask_token = None
    with pytest.raises(InputError, match="no token that masks"):
        MaskAugment().begin(run)
