"""How long, how fast and with what a model is trained: the ``training`` part of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from tunesmith.core.clock import Span
from tunesmith.core.setting import setting

ADAM = ("adamw", "adamw_8bit")

# Positions of a micro-batch that keep a CPU busy: more of them are no faster, and their activations take more memory.
ENOUGH = 2048


@dataclass
class Training:
    """Settings of the training loop.

    ``applies`` names the settings that are read only for some values of another one: {setting: (other, values)}. A recipe that
    gives one where it is not read is refused.
    """

    epochs: float = setting(3.0, "passes over the training rows", above=0)
    steps: int | None = setting(None, "optimizer steps, instead of epochs", low=1)
    learning_rate: float | None = setting(None, "highest learning rate; chosen from what learns when absent", above=0)
    head_rate: float | None = setting(
        None,
        "highest rate of the head; when absent 1e-3, as for a head alone, if some of it is new and learning_rate is absent too, else "
        "learning_rate",
        above=0,
    )
    batch_size: int = setting(16, "rows per optimizer step, over all processes", low=1)
    micro_batch: int | None = setting(
        None,
        "rows per forward pass, whatever the number of ranks; when absent found by itself, from a rank's share, and on a CPU as many as "
        f"have {ENOUGH:,} positions",
        low=1,
    )

    recompute: str = setting(
        "auto",
        "whether layers compute their activations again for the backward pass and keep none: less memory, a third more time; "
        "auto: where a row would not fit otherwise",
        choices=("auto", "always", "never"),
    )

    shard: str = setting(
        "auto",
        "whether each of several processes holds a part of weights, gradients and optimizer state, and not all; "
        "auto: where they would not fit one GPU",
        choices=("auto", "always", "never"),
    )

    compile: str = setting(
        "auto",
        "whether layers are compiled by torch.compile, which takes minutes at first; auto: on a GPU, where the steps left save more",
        choices=("auto", "always", "never"),
    )

    optimizer: str = setting(
        "adamw",
        "the rule of the weight update; adamw_8bit keeps a quarter of what adamw does",
        choices=("adamw", "adamw_8bit", "sgd", "adafactor"),
    )
    beta1: float = setting(0.9, "adamw: decay of the mean of gradients", low=0, high=0.9999)
    beta2: float = setting(0.999, "adamw: decay of the mean of squared gradients", low=0, high=0.99999)
    epsilon: float = setting(1e-8, "adamw: added to the divisor", above=0)
    momentum: float = setting(0.9, "sgd: share of the last update that is kept", low=0, high=0.9999)
    weight_decay: float = setting(0.01, "share of a weight that is taken away per unit of learning rate", low=0)

    schedule: str = setting(
        "linear",
        "the learning rate over time, after the warm-up",
        choices=(
            *("linear", "cosine", "cosine_restarts", "one_cycle", "constant", "polynomial"),
            *("slanted_triangular", "warmup_stable_decay", "reduce_on_plateau"),
        ),
    )
    warmup: Annotated[Span, "st"] = setting(Span(6, "%"), "time in which the rate rises from 0")
    final_rate: float = setting(0.0, "share of the learning rate that is left at the end", low=0, high=1)
    cycles: int = setting(3, "cosine_restarts: how often the rate falls", low=1)
    power: float = setting(2.0, "polynomial: exponent of the fall", above=0)
    cooldown: Annotated[Span, "st"] = setting(Span(20, "%"), "warmup_stable_decay: time of the fall at the end")
    patience: int = setting(1, "reduce_on_plateau: evaluations without a better score before the rate falls", low=1)
    factor: float = setting(0.5, "reduce_on_plateau: what the rate is multiplied with", above=0, high=0.99)

    evaluate_every: Annotated[Span, "ep"] = setting(Span(1, "ep"), "time between evaluations on the validation rows", above=0)
    save_every: Annotated[Span, "st"] | None = setting(None, "time between checkpoints; at each evaluation when absent", above=0)
    keep: int = setting(2, "checkpoints kept, beside the best", low=2)
    ship: str = setting("best", "the weights that are shipped: of the best evaluation or of the last step", choices=("best", "last"))
    log_every: int = setting(10, "optimizer steps between lines of events.jsonl", low=1)
    seed: int = setting(0, "start of every random number: order, dropout, new weights; a recipe writes it at the top", low=0)
    precision: str = setting(
        "auto", "number format of the forward pass; auto asks the hardware", choices=("auto", "float32", "bfloat16", "float16")
    )

    trunk: str = setting(
        "auto",
        "whether layers that do not learn are computed once for each row and kept: where this run saves time by it, or always, for others",
        choices=("auto", "always", "off"),
    )

    applies: ClassVar[dict[str, tuple[str, tuple[Any, ...]]]] = {
        "epochs": ("steps", (None,)),
        "beta1": ("optimizer", ADAM),
        "beta2": ("optimizer", ADAM),
        "epsilon": ("optimizer", ADAM),
        "momentum": ("optimizer", ("sgd",)),
        "final_rate": ("schedule", ("linear", "cosine", "cosine_restarts", "polynomial", "warmup_stable_decay")),
        "cycles": ("schedule", ("cosine_restarts",)),
        "power": ("schedule", ("polynomial",)),
        "cooldown": ("schedule", ("warmup_stable_decay",)),
        "patience": ("schedule", ("reduce_on_plateau",)),
        "factor": ("schedule", ("reduce_on_plateau",)),
    }
