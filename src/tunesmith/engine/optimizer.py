"""The weight update: groups that follow the plan, state by parameter name, one division by the count of the whole step."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.loss import Loss
from tunesmith.core.param import Rule
from tunesmith.core.run import Run
from tunesmith.engine import distributed
from tunesmith.engine.eight_bit import AdamW8bit
from tunesmith.engine.schedule import schedule
from tunesmith.engine.settings import Training
from tunesmith.model.embedding import LARGE
from tunesmith.model.shared import model_of

# The highest rate when neither the recipe nor a strategy names one, by what learns: (rate, source, when). The first that fits is taken.
DEFAULT_RATES = {
    "sgd": (1e-2, "Dosovitskiy et al. 2021, ViT, table 4: 1e-3 to 6e-2 for SGD with momentum", "the optimizer is sgd"),
    "head": (1e-3, "a linear model on fixed features", "the head learns alone, and of a new head beside other weights"),
    "added": (5e-4, "Hu et al. 2021, table 9: 4e-4 to 5e-4 for LoRA", "weights that a strategy adds"),
    "few": (4e-4, "Ben Zaken et al. 2022, section 4: 1e-4 to 1e-3 for biases", "less than 2% of the weights"),
    "adafactor": (1e-3, "Raffel et al. 2020, T5, section 3.1.2: a constant 1e-3", "the optimizer is adafactor"),
    "t5": (1e-4, "transformers' page on T5: 1e-4 and 3e-4 with AdamW", "T5 and its like"),
    "bart": (3e-5, "Lewis et al. 2020, BART, fairseq's examples: 1e-5 to 3e-5", "BART and its like"),
    "whisper": (1e-5, "Gandhi 2022, Fine-Tune Whisper with transformers", "Whisper"),
    "clip": (1e-5, "Goyal et al. 2023, Finetune Like You Pretrain: 1e-6 to 1e-5 for all of CLIP", "CLIP"),
    "causal": (2e-5, "Touvron et al. 2023, Llama 2, section 3.1", "a decoder of half a billion weights or more"),
    "everything": (5e-5, "Devlin et al. 2019, appendix A.3: 2e-5 to 5e-5", "everything else"),
}
FAMILIES = {"mt5": "t5", "umt5": "t5", "mbart": "bart", "pegasus": "bart", "marian": "bart"}  # that are tuned as others are
LARGE_DECODER = 5e8  # weights from which a decoder takes the rate of those of its kind; GPT-2 is tuned as BERT is
HEAD_RATE = "training.head_rate"
FP16_SCALE = 2.0**14
FP16_STEADY = 2000  # updates without overflow after which the scale is doubled: those of torch's GradScaler


@dataclass(frozen=True)
class Rates:
    """The highest learning rate, and that of the head, each with its source: where it comes from, or the setting that says it."""

    rate: float
    source: str
    head: float
    head_source: str

    def given_to(self, run: Run) -> None:
        """Let the plans of a run begin with them, where the recipe says nothing that of new heads for these alone."""
        heads = {name for name, param in run.params.items() if param.head}
        said = self.head_source == HEAD_RATE
        run.peak, run.head_pace, run.paced = self.rate, self.head / self.rate, heads if said else _new(run, heads)


def default_rate(run: Run, names: Set[str], optimizer: str = "adamw") -> tuple[float, str]:
    """The highest learning rate when ``names`` learn at any time, and its source, at the task's pace.

    It goes by optimizer where that scales no gradients, by how much learns, and then by optimizer and family.
    """
    learning = [run.params[name] for name in sorted(names)]
    weights, whole = sum(param.size for param in learning), sum(param.size for param in run.params.values())
    inside = [param for param in learning if not param.head]
    config = getattr(run.model, "config", None)
    family = str(getattr(config, "model_type", ""))
    decodes = any("CausalLM" in name for name in getattr(config, "architectures", None) or [type(run.model).__name__])
    kinds = {
        "sgd": optimizer == "sgd",
        "head": not inside,
        "added": any(param.added for param in inside),
        "few": weights < 0.02 * whole,
        optimizer: optimizer in DEFAULT_RATES,
        FAMILIES.get(family, family): FAMILIES.get(family, family) in DEFAULT_RATES,
        "causal": decodes and whole >= LARGE_DECODER,
    }
    rate, source, _ = DEFAULT_RATES[next((kind for kind, fits in kinds.items() if fits), "everything")]
    return rate * run.task.pace, source + ("" if run.task.pace == 1 else f"; times {run.task.pace:g} for the task")


def rates(run: Run, training: Training, names: Set[str], natural_rate: tuple[float, str] | None = None) -> Rates:
    """The highest learning rate, and that of the head, when ``names`` learn at any time.

    ``natural_rate`` is what a strategy wants where the recipe gives none. A head of which a part is new learns as a head alone would, if
    the recipe says nothing of rates: at that of a pre-trained model it is still half random when a short run ends (benchmarks/README.md,
    New heads). Of several tasks a head without anything new learns as the layers do then.
    """
    said = (training.learning_rate, "training.learning_rate") if training.learning_rate else None
    rate, source = said or natural_rate or default_rate(run, names, training.optimizer)
    if training.head_rate:
        return Rates(rate, source, training.head_rate, HEAD_RATE)
    alone, of_head, _ = DEFAULT_RATES["head"]
    if run.new_head and not said and alone * run.task.pace > rate:
        return Rates(rate, source, alone * run.task.pace, of_head)
    return Rates(rate, source, rate, source)


def _new(run: Run, heads: Set[str]) -> Set[str]:
    """Those of ``heads`` whose own model, where several share a trunk, has something fresh above it; what they share is with these."""
    owners = {model_of(name) for name in heads if run.params[name].fresh}
    return {name for name in heads if owners and model_of(name) in {"", *owners}}


class Optimizer:
    """An optimizer of torch whose groups are the distinct rules of the plan.

    ``names`` and ``natural_rate`` as for ``rates``; ``rate`` is the learning rate of the last update before any rule's multiple.
    """

    def __init__(self, run: Run, training: Training, names: Set[str], natural_rate: tuple[float, str] | None = None) -> None:
        self.run = run
        if not names:
            raise InputError(
                Problem("Nothing would learn: the strategies freeze every parameter", "Freeze less, or add lora", key="strategies")
            )
        chosen = rates(run, training, names, natural_rate)
        chosen.given_to(run)
        self.decay = training.weight_decay
        self.parameters: dict[str, nn.Parameter] = dict(run.model.named_parameters())
        self.inner = build(training, [p for p in self.parameters.values() if p.is_floating_point()], run.device)
        self.defaults = {key: value for key, value in self.inner.param_groups[0].items() if key != "params"}
        self.factor = schedule(training, run)
        self.rate = 0.0
        self.scale = FP16_SCALE if training.precision == "float16" else 1.0
        self.steady = 0  # updates since the scale changed
        self.rules: dict[str, Rule] = {}

    def follow(self, rules: Mapping[str, Rule]) -> None:
        """Take the plan of this step: what learns, and at which multiple of the rate."""
        if self.rules == rules:
            return
        self.rules = self.run.rules = dict(rules)
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, rule in rules.items():
            parameter = self.parameters[name]
            parameter.requires_grad_(rule.learns)
            if rule.learns:
                self.run.touched.add(name)
                groups.setdefault((rule.rate, rule.decay), []).append(parameter)
        self.inner.param_groups[:] = [
            {**self.defaults, "params": parameters, "rate": rate, "weight_decay": self.decay * decay}
            for (rate, decay), parameters in groups.items()
        ]

    def zero(self) -> None:
        """Forget the gradients. A large one is filled with zeros where its parameter goes on learning: a new one takes longer to get."""
        for parameter in self.parameters.values():
            if parameter.grad is not None and parameter.requires_grad and parameter.numel() >= LARGE:
                parameter.grad.zero_()
            else:
                parameter.grad = None

    def scaled(self, loss: Loss, micro_batches: int) -> Tensor:
        """The loss as it is differentiated: multiplied up in float16, whose small numbers would be lost.

        Where it is the whole loss of the step, it is divided by its count at once: one number, and not every gradient in ``reduce``.
        """
        return loss.sum * (self.scale / (loss.count if _whole(loss, micro_batches) else 1.0))

    @torch.no_grad()
    def reduce(self, loss: Loss, micro_batches: int) -> Loss:
        """Sum gradients, loss and count over ranks, then divide the gradients by the count. Returns the loss of all ranks."""
        learning = list(self.run.learning().values())
        if distributed.world() > 1:
            if not self.run.forward.sharded:  # or they were added when the backward pass went through their layer
                for parameter in learning:
                    parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                distributed.add_over_ranks([p.grad for p in learning if p.grad is not None])
            numbers = [float(loss.sum), loss.count]
            summed = [torch.tensor(distributed.total(number)) for number in numbers]
            names = distributed.union(loss.parts)
            parts = {name: torch.tensor(distributed.total(float(loss.parts.get(name, 0.0)))) for name in names}
            loss = Loss(summed[0], float(summed[1]), parts=parts)
        gradients = [p.grad for p in learning if p.grad is not None]
        divisor = self.scale * (1.0 if _whole(loss, micro_batches) else loss.count)
        if gradients and divisor not in (0.0, 1.0):
            torch._foreach_mul_(gradients, 1 / divisor)
        return loss

    def step(self) -> None:
        """One update. In float16 a gradient that overflowed is dropped and the scale is halved; after long without it is doubled."""
        self.rate = self.run.peak * self.factor()
        if self.scale != 1:
            if not self._finite():
                self.scale, self.steady = max(2.0, self.scale / 2), 0
                return
            self.steady += 1
            if self.steady == FP16_STEADY:
                self.scale, self.steady = self.scale * 2, 0
        for group in self.inner.param_groups:
            group["lr"] = self.rate * group["rate"]
        self.inner.step()

    def _finite(self) -> bool:
        gradients = [p.grad for p in self.run.learning().values() if p.grad is not None]
        return not gradients or bool(torch.isfinite(torch.stack(torch._foreach_norm(gradients))).all())

    def state(self) -> dict[str, Any]:
        """The state of every parameter that was ever updated, by its name."""
        names = {id(parameter): name for name, parameter in self.parameters.items()}
        state = {names[id(parameter)]: dict(values) for parameter, values in self.inner.state.items()}
        return {"state": state, "scale": self.scale, "steady": self.steady}

    def load(self, state: Mapping[str, Any]) -> None:
        self.inner.state.clear()
        for name, values in state["state"].items():
            self.inner.state[self.parameters[name]] = values
        self.scale, self.steady = state["scale"], state["steady"]


def _whole(loss: Loss, micro_batches: int) -> bool:
    """Whether one micro-batch is all of a step."""
    return micro_batches == 1 and distributed.world() == 1 and loss.count > 0


def build(training: Training, parameters: list[nn.Parameter], device: torch.device) -> torch.optim.Optimizer:
    """torch's own optimizer, in its fused form where there is one for the device.

    That of SGD is left out: it knows neither weights that begin to learn later than others, nor sharded ones.
    """
    fused = {"fused": True} if device.type in ("cpu", "cuda") else {}
    rate = 0.0  # set at each step
    makers: dict[str, Any] = {
        "adamw": lambda: torch.optim.AdamW(parameters, rate, (training.beta1, training.beta2), training.epsilon, **fused),
        "adamw_8bit": lambda: AdamW8bit(parameters, rate, (training.beta1, training.beta2), training.epsilon),
        "sgd": lambda: torch.optim.SGD(parameters, rate, training.momentum),
        "adafactor": lambda: torch.optim.Adafactor(parameters, rate),
    }
    optimizer: torch.optim.Optimizer = makers[training.optimizer]()
    return optimizer
