"""Hugging Face's spellings mean what they mean there, and are never read beside their native keys."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.recipes.aliases import spellings, translate
from tunesmith.recipes.document import Document, Place


def translated(training: dict[str, Any], **value: Any) -> Document:
    document = Document({"task": "text_classification", "training": training, **value}, {("training",): Place("r.yaml", 4, 1)})
    translate(document)
    return document


def native(training: dict[str, Any], **value: Any) -> dict[str, Any]:
    document = translated(training, **value)
    assert [str(problem) for problem in document.problems] == []
    return document.value


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"num_train_epochs": 3}, {"epochs": 3}),
        ({"num_train_epochs": 3, "max_steps": -1}, {"epochs": 3}),
        ({"max_steps": 100}, {"steps": 100}),
        ({"max_steps": -1}, {}),
        ({"per_device_train_batch_size": 8}, {"batch_size": 8}),
        ({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4}, {"batch_size": 32}),
        ({"lr_scheduler_type": "cosine"}, {"schedule": "cosine"}),
        ({"lr_scheduler_type": "constant"}, {"schedule": "constant", "warmup": "0%"}),
        ({"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 50}, {"schedule": "constant", "warmup": "50st"}),
        ({"lr_scheduler_type": "polynomial"}, {"schedule": "polynomial", "power": 1.0}),
        ({"warmup_ratio": 0.07}, {"warmup": "7%"}),
        ({"warmup_ratio": 0.1, "warmup_steps": 0}, {"warmup": "10%"}),
        ({"warmup_steps": 0.1}, {"warmup": "10%"}),
        ({"warmup_steps": 0}, {"warmup": "0%"}),
        ({"adam_beta1": 0.8, "adam_beta2": 0.9, "adam_epsilon": 1e-6}, {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-6}),
        ({"bf16": True}, {"precision": "bfloat16"}),
        ({"bf16": False, "fp16": True}, {"precision": "float16"}),
        ({"fp16": False}, {"precision": "float32"}),
        ({"save_total_limit": 3, "save_steps": 500, "eval_steps": 0.2}, {"keep": 3, "save_every": "500st", "evaluate_every": "20%"}),
        ({"logging_steps": 5}, {"log_every": 5}),
        ({"optim": "adamw_torch_fused"}, {"optimizer": "adamw"}),
        ({"optim": "paged_adamw_8bit"}, {"optimizer": "adamw_8bit"}),
        ({"optim": "sgd"}, {"optimizer": "sgd", "momentum": 0.0}),
        ({"load_best_model_at_end": "no"}, {"ship": "last"}),
        ({"load_best_model_at_end": True}, {"ship": "best"}),
        ({"max_grad_norm": 0, "label_smoothing_factor": 0.0}, {}),
    ],
)
def test_meanings(training: dict[str, Any], expected: dict[str, Any]) -> None:
    value = native(training)
    assert value["training"] == expected
    assert value["strategies"] == []


def test_what_belongs_elsewhere_goes_there() -> None:
    value = native({"seed": 7, "max_seq_length": 64, "max_grad_norm": 1.0, "label_smoothing_factor": 0.1}, strategies=["ema"])
    assert value["seed"] == 7
    assert value["task"] == {"text_classification": {"max_length": 64}}
    assert value["strategies"] == [{"clip": {"norm": 1.0}}, {"label_smoothing": {"strength": 0.1}}, {"ema": {}}]
    assert value["training"] == {}


def test_native_keys_stay() -> None:
    given = {"epochs": 3, "learning_rate": 1e-4, "weight_decay": 0.1}
    assert native(given)["training"] == given


def test_training_that_is_no_mapping_is_left_to_the_check() -> None:
    document = Document({"training": None})
    translate(document)
    assert document.value["training"] is None


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"num_train_epochs": 3, "epochs": 3}, "training.num_train_epochs and training.epochs say the same. Keep one of the two."),
        ({"max_length": 3, "max_seq_length": 3}, "training.max_seq_length and training.max_length say the same."),
        ({"lr_scheduler_type": "constant", "warmup_steps": 5}, "training.warmup_steps and training.lr_scheduler_type say the same."),
        ({"seed": 1}, "training.seed and seed say the same."),
        ({"max_grad_norm": 1.0}, "training.max_grad_norm and strategies.0.clip say the same."),
        ({"num_train_epochs": 3, "max_steps": 10}, "max_steps takes the place of num_train_epochs: keep one of the two."),
        ({"warmup_ratio": 0.1, "warmup_steps": 10}, "warmup_steps takes the place of warmup_ratio"),
        ({"bf16": True, "fp16": True}, "bf16 and fp16 exclude each other"),
        ({"gradient_accumulation_steps": 4}, "gradient_accumulation_steps needs per_device_train_batch_size"),
        (
            {"lr_scheduler_type": "cosine_with_restarts"},
            "training.lr_scheduler_type 'cosine_with_restarts' has no counterpart here; linear",
        ),
        ({"optim": "lion"}, "training.optim 'lion' has no counterpart here; adamw_torch"),
        ({"warmup_ratio": "x"}, "training.warmup_ratio must be a number, not 'x'."),
        ({"max_steps": True}, "training.max_steps must be a whole number, not True."),
    ],
)
def test_what_is_refused(training: dict[str, Any], message: str) -> None:
    document = translated(training, seed=1, strategies=["clip"])
    assert len(document.problems) == 1
    assert str(document.problems[0]).startswith(f"r.yaml:4 1: {message}")


@pytest.mark.parametrize("task", [object(), 3, {"text_classification": 3}, {"a": {}, "b": {}}])
def test_a_task_that_is_no_mapping_is_not_changed(task: Any) -> None:
    document = translated({"max_length": 5}, task=task)
    assert "there is no task to set it on" in str(document.problems[0])


def test_a_value_keeps_the_name_that_it_was_given() -> None:
    document = translated({"num_train_epochs": -1})
    assert document.name(("training", "epochs")) == "training.num_train_epochs"


@given(
    st.dictionaries(
        st.sampled_from(sorted(spellings())), st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.lists(st.none())
    )
)
def test_any_value_is_translated_or_refused(training: dict[str, Any]) -> None:
    document = translated(training)
    assert not spellings() & document.value["training"].keys()
