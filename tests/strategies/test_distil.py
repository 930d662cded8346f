"""Distillation: Hinton's loss, teachers from folders, and those that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import tiny
from training import tiny_fit
from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.model.save import save
from tunesmith.strategies.distil import Distil, softened

Inner = Callable[[Batch], Loss]
CLASSES = torch.tensor([0, 1, 2, 3])


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_the_term_of_classes_is_hintons(temperature: float) -> None:
    teacher, student = torch.randn(4, 5), torch.randn(4, 5)
    p, q = F.softmax(teacher / temperature, dim=1), F.log_softmax(student / temperature, dim=1)
    expected = F.kl_div(q, p, reduction="batchmean") * temperature**2
    torch.testing.assert_close(softened(teacher, student, CLASSES, temperature).mean(), expected)


def test_the_gradient_hardly_depends_on_the_temperature_where_it_is_high() -> None:
    """Section 2 of the paper: T^2 keeps it, and it goes to (z - z') / N for logits of mean 0."""
    teacher, student = (logits - logits.mean(dim=1, keepdim=True) for logits in (torch.randn(4, 5), torch.randn(4, 5)))
    student.requires_grad_()
    (gradient,) = torch.autograd.grad(softened(teacher, student, CLASSES, 1000.0).sum(), student)
    torch.testing.assert_close(gradient, ((student - teacher) / 5).detach(), atol=1e-3, rtol=1e-2)


def test_labels_are_distilled_each_apart_and_numbers_by_their_difference() -> None:
    teacher, student = torch.randn(4, 3), torch.randn(4, 3)
    p, q = (teacher / 2).sigmoid(), (student / 2).sigmoid()
    each = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    torch.testing.assert_close(softened(teacher, student, torch.zeros(4, 3), 2.0), 4 * each.mean(dim=1))
    torch.testing.assert_close(softened(teacher[:, :1], student[:, :1], torch.zeros(4), 2.0), (teacher - student)[:, 0].square())


def test_the_loss_is_the_mixture(run: Run, batch: Batch, objective: Inner) -> None:
    run.model.eval()
    teacher = objective(batch).logits.detach()
    strategy = Distil(mix=0.25, temperature=3.0)
    strategy.begin(run)
    with torch.no_grad():
        run.model.classifier.weight.add_(torch.randn_like(run.model.classifier.weight))
    weights = torch.tensor([1.0, 2.0, 1.0, 0.5, 0.5])
    plain = replace(objective(batch), weights=weights).plus("other", torch.tensor(4.0))
    loss = strategy.loss(batch, run, lambda batch: plain)
    term = 0.25 * (softened(teacher, plain.logits, plain.targets, 3.0) * weights).sum()
    torch.testing.assert_close(loss.sum, 0.75 * plain.sum + term)
    torch.testing.assert_close(loss.parts["distil"], term.detach())
    assert float(loss.parts["other"]) == 3.0


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A tuned model for the labels bad and good."""
    model = tiny.bert(seed=5)
    model.config.id2label, model.config.label2id = {0: "bad", 1: "good"}, {"bad": 0, "good": 1}
    model.save_pretrained(tmp_path / "teacher")
    tiny.tokenizer().save_pretrained(tmp_path / "teacher")
    return tmp_path / "teacher"


def test_a_teacher_from_a_folder_draws_the_student_to_it(teacher: Path) -> None:
    """A student of pure distillation comes to predict what the teacher predicts."""
    fitted = tiny_fit(None, [Distil(str(teacher), mix=1.0)], steps=60, dropout=0.0)
    fitted.model.module.eval()
    ids = torch.tensor([[2, 9, 10, 30, 3], [2, 9, 15, 30, 3]])
    with torch.no_grad():
        wanted, found = (model(ids).logits.softmax(dim=1) for model in (tiny.bert(seed=5).eval(), fitted.model.module))
    far = tiny.bert().eval()(ids).logits.softmax(dim=1).sub(wanted).abs().max()
    assert found.sub(wanted).abs().max() < far / 3


def test_a_run_is_a_teacher(tmp_path: Path) -> None:
    save(tiny_fit(None).model, tmp_path / "run" / "model")
    (tmp_path / "run" / "recipe.resolved.yaml").write_text("task: text_classification\n")
    fitted = tiny_fit(None, [Distil(str(tmp_path / "run"))], steps=1)
    assert fitted.run.clock.step == 1


def test_mix_0_builds_no_teacher_and_returns_the_very_loss(run: Run, batch: Batch) -> None:
    strategy, loss = Distil("/nowhere", mix=0.0), Loss(torch.tensor(1.0), 1)
    strategy.begin(run)
    assert strategy.loss(batch, run, lambda batch: loss) is loss


def test_without_a_teacher_a_new_head_is_told(run: Run, said: list[str]) -> None:
    run.params["classifier.weight"] = replace(run.params["classifier.weight"], fresh=True)
    Distil().begin(run)
    assert "name a teacher" in said[0]
