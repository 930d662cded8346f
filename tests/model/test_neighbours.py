"""Neighbours beside a classifier: the arithmetic by hand, when they answer, and their files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.neighbours import ABOUT, WEIGHTS, Mixing, Neighbours, lost, mixed, read, refresh, vectors_of, write

INPUTS = {"input_ids": torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]]), "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])}
REMEMBERED = torch.nn.functional.normalize(torch.randn(5, 32, generator=torch.Generator().manual_seed(0)), dim=1)
CLASSES = torch.tensor([0, 1, 1, 0, 1])


def answers(model: Any) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(**INPUTS).logits
    return logits


def test_the_nearest_rows_are_mixed_in_by_their_distance() -> None:
    """Of three rows the nearest two are asked, at squared distances 0 and 0.8."""
    asked, rows = torch.tensor([[1.0, 0.0]]), (torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), torch.tensor([1, 0, 0]))
    found = mixed(torch.tensor([[0.0, 0.0]]), asked, *rows, Mixing(0.5, 2, 0.4, "mean")).exp()
    nearest = 1 / (1 + math.exp(-0.8 / 0.4))
    assert found.tolist() == [pytest.approx([0.25 + 0.5 * (1 - nearest), 0.25 + 0.5 * nearest])]
    alone = mixed(torch.tensor([[0.0, 3.0]]), asked, *rows, Mixing(0.0, 2, 0.4, "mean"))
    torch.testing.assert_close(alone.softmax(dim=1), torch.tensor([[0.0, 3.0]]).softmax(dim=1))
    sure = mixed(torch.tensor([[9.0, 0.0]]), asked, *rows, Mixing(1.0, 1, 0.4, "mean"))
    assert sure.isfinite().all()
    assert sure.argmax() == 1


def test_they_answer_where_nothing_learns() -> None:
    model = tiny.bert().eval()
    plain = answers(model)
    own = Neighbours(Mixing(0.5, 3, 0.1, "head"), rows=(REMEMBERED, CLASSES))
    own.put_on(model)
    assert torch.equal(answers(model), plain), "resting"
    own.resting = False
    found = answers(model)
    vectors = vectors_of(model, lambda: model(**INPUTS), INPUTS, "head")
    torch.testing.assert_close(found, mixed(plain, vectors, REMEMBERED, CLASSES, own.mixing))
    torch.testing.assert_close(model(**INPUTS).logits, plain, msg="with gradients")


def test_rows_are_collected_again_where_weights_have_changed() -> None:
    model, asked = tiny.bert().eval(), []
    own = Neighbours(Mixing(0.5, 3, 0.1, "mean"), lambda: asked.append(1) or (REMEMBERED, CLASSES), resting=False)
    own.put_on(model)
    plain = answers(model)
    refresh(model)
    refresh(model)
    assert len(asked) == 1
    assert not torch.equal(answers(model), plain)
    with torch.no_grad():
        model.classifier.weight.mul_(2)
    refresh(model)
    own.forget()
    refresh(model)
    assert len(asked) == 3
    own.resting = True
    own.forget()
    refresh(model)
    assert len(asked) == 3


def test_their_files(tmp_path: Path) -> None:
    model, again = tiny.bert().eval(), tiny.bert().eval()
    write(model, tmp_path)
    read(again, tmp_path)
    assert not any(tmp_path.iterdir())
    assert lost(tmp_path) == ""
    Neighbours(Mixing(0.5, 3, 0.1, "head"), rows=(REMEMBERED, CLASSES), resting=False).put_on(model)
    write(model, tmp_path)
    read(again, tmp_path)
    assert torch.equal(answers(again), answers(model))
    assert "other libraries" in lost(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(InputError, match="the neighbours cannot be read"):
        read(tiny.bert(), tmp_path)
    assert (tmp_path / ABOUT).exists()
