"""The spellings of Hugging Face's ``TrainingArguments``, accepted under ``training`` with the meaning that they have there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

from tunesmith.recipes.document import Document, Keys
from tunesmith.recipes.validate import conform

Native = dict[str, Any]

RENAMED: dict[str, str] = {
    "adam_beta1": "training.beta1",
    "adam_beta2": "training.beta2",
    "adam_epsilon": "training.epsilon",
    "save_total_limit": "training.keep",
    "logging_steps": "training.log_every",
    "max_length": "task.max_length",
    "max_seq_length": "task.max_length",
    "seed": "seed",
}
SCHEDULES: dict[str, Native] = {
    "linear": {"training.schedule": "linear"},
    "cosine": {"training.schedule": "cosine"},
    "constant": {"training.schedule": "constant", "training.warmup": "0%"},
    "constant_with_warmup": {"training.schedule": "constant"},
    "polynomial": {"training.schedule": "polynomial", "training.power": 1.0},
}
OPTIMIZERS: dict[str, Native] = {
    "adamw_torch": {"training.optimizer": "adamw"},
    "adamw_torch_fused": {"training.optimizer": "adamw"},
    **{name: {"training.optimizer": "adamw_8bit"} for name in ("adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit")},
    "sgd": {"training.optimizer": "sgd", "training.momentum": 0.0},
    "adafactor": {"training.optimizer": "adafactor"},
}


# The parameters of each function are spellings that mean something together; it returns what they mean, by native key.
# A ``ValueError`` says why they cannot be used.


def _length(num_train_epochs: float | None = None, max_steps: int = -1) -> Native:
    if max_steps > 0 and num_train_epochs is not None:
        raise ValueError("max_steps takes the place of num_train_epochs: keep one of the two")
    return {"training.steps": max_steps} if max_steps > 0 else {} if num_train_epochs is None else {"training.epochs": num_train_epochs}


def _batch(per_device_train_batch_size: int | None = None, gradient_accumulation_steps: int = 1) -> Native:
    if per_device_train_batch_size is None:
        raise ValueError("gradient_accumulation_steps needs per_device_train_batch_size: their product is batch_size")
    return {"training.batch_size": per_device_train_batch_size * gradient_accumulation_steps}


def _warmup(warmup_steps: float = 0, warmup_ratio: float = 0.0) -> Native:
    if warmup_steps and warmup_ratio:
        raise ValueError("warmup_steps takes the place of warmup_ratio: keep one of the two")
    return {"training.warmup": _span(warmup_steps or warmup_ratio) if warmup_steps or warmup_ratio else "0%"}


def _schedule(lr_scheduler_type: str) -> Native:
    return _chosen(SCHEDULES, "lr_scheduler_type", lr_scheduler_type)


def _optimizer(optim: str) -> Native:
    return _chosen(OPTIMIZERS, "optim", optim)


def _precision(bf16: bool = False, fp16: bool = False) -> Native:
    if bf16 and fp16:
        raise ValueError("bf16 and fp16 exclude each other: keep one of the two")
    return {"training.precision": "bfloat16" if bf16 else "float16" if fp16 else "float32"}


def _save(save_steps: float) -> Native:
    return {"training.save_every": _span(save_steps)}


def _evaluate(eval_steps: float) -> Native:
    return {"training.evaluate_every": _span(eval_steps)}


def _ship(load_best_model_at_end: bool) -> Native:
    return {"training.ship": "best" if load_best_model_at_end else "last"}


def _clip(max_grad_norm: float) -> Native:
    return {"strategies.clip": {"norm": max_grad_norm}} if max_grad_norm else {}


def _smoothing(label_smoothing_factor: float) -> Native:
    return {"strategies.label_smoothing": {"strength": label_smoothing_factor}} if label_smoothing_factor else {}


TOGETHER: tuple[Callable[..., Native], ...] = (
    _length,
    _batch,
    _schedule,
    _warmup,
    _optimizer,
    _precision,
    _save,
    _evaluate,
    _ship,
    _smoothing,
    _clip,
)


def spellings() -> set[str]:
    """Every key that ``translate`` understands."""
    return {*RENAMED, *(key for meaning in TOGETHER for key in _parameters(meaning))}


def translate(document: Document) -> None:
    """Put native keys in the place of Hugging Face's. An alias beside its native key, or of the wrong type, is a problem."""
    training = document.value.get("training")
    if not isinstance(training, dict):
        return
    for key, native in RENAMED.items():
        if key in training:
            _place(document, key, {native: training.pop(key)})
    for meaning in TOGETHER:
        given = {key: training.pop(key) for key in _parameters(meaning) if key in training}
        if given:
            _translate(document, meaning, given)


def _translate(document: Document, meaning: Callable[..., Native], given: dict[str, Any]) -> None:
    hints = get_type_hints(meaning)
    values = {}
    for key, value in given.items():
        try:
            values[key] = conform(hints[key], value)
        except ValueError as error:
            document.refuse(("training", key), f"training.{key} {error}, not {value!r}", "Correct it")
    if len(values) < len(given):
        return
    first = next(iter(given))
    try:
        _place(document, first, meaning(**values))
    except ValueError as error:
        document.refuse(("training", first), str(error), "Or write tunesmith's own keys")


def _place(document: Document, key: str, native: Native) -> None:
    """Write what an alias means where it belongs, under the name and at the place that the user gave it."""
    alias = ("training", key)
    place = document.place(alias)
    for dotted, value in native.items():
        top, *rest = dotted.split(".")
        try:
            if top == "strategies" and document.auto:
                document.refuse(alias, f"training.{key} is a strategy, and auto chooses them", "Take one of the two out")
                continue
            keys: Keys = (top, 0, *rest) if top == "strategies" else document.locate((top, *rest))
            if document.holds(keys) or (top == "strategies" and rest[0] in dict(document.strategies()).values()):
                document.refuse(alias, f"training.{key} and {document.name(keys)} say the same", "Keep one of the two")
            elif top == "strategies":
                document.prepend({rest[0]: value}, place)
            else:
                document.put(keys, value, place)
                document.spelled[keys] = f"training.{key}"
        except LookupError:  # the task is an object, or no task at all
            document.refuse(alias, f"training.{key} sets {dotted}, and there is no task to set it on", "Set it on the task")


def _parameters(meaning: Callable[..., Native]) -> list[str]:
    return [name for name in get_type_hints(meaning) if name != "return"]


def _span(steps: float) -> str:
    """Hugging Face's numbers below 1 are shares of the run."""
    return f"{steps * 100:.12g}%" if steps < 1 else f"{steps:.12g}st"


def _chosen(table: dict[str, Native], key: str, value: str) -> Native:
    if value not in table:
        raise ValueError(f"training.{key} '{value}' has no counterpart here; {', '.join(table)} have")
    return table[value]
