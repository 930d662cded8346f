"""What each process of ``test_shard`` does: train one case after the other, and let the first rank write what came out."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from training import mixed_fit, tiny_fit, weights
from tunesmith.core.clock import Span
from tunesmith.core.observer import Observer
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.engine import distributed
from tunesmith.engine.loop import Fitted
from tunesmith.strategies.clip import Clip
from tunesmith.strategies.ema import EMA
from tunesmith.strategies.freeze import Freeze
from tunesmith.strategies.label_smoothing import LabelSmoothing
from tunesmith.strategies.layer_rates import LayerRates
from tunesmith.strategies.lora import LoRA
from tunesmith.strategies.r_drop import RDrop
from tunesmith.strategies.unfreeze import Unfreeze

SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.1}  # Adam would blow up differences in the last bit of small gradients
# Name -> (strategies, settings). A batch of three rows on two ranks leaves one of them without a micro-batch of its own.
CASES: dict[str, tuple[Callable[[], list[Strategy]], dict[str, Any]]] = {
    "everything": (list, SGD),
    "three rows": (list, {**SGD, "batch_size": 3}),
    "freeze": (lambda: [Freeze(layers=1)], SGD),
    "probe": (lambda: [Freeze(layers=3)], SGD),
    "unfreeze": (lambda: [Unfreeze(Span(1, "st"))], SGD),
    "lora": (lambda: [LoRA(rank=2, dropout=0.1)], SGD),
    "clip": (lambda: [Clip(norm=0.1, value=0.05), LayerRates(decay=0.5)], SGD),
    "losses": (lambda: [LabelSmoothing(), RDrop()], SGD),
    "ema": (lambda: [EMA(decay=0.5)], SGD),
    "recompute": (list, {**SGD, "recompute": "always"}),
    "adamw": (lambda: [EMA(decay=0.5)], {"steps": 6}),
}
RESUMED = "checkpoints/step-00000004"


class Held(Observer):
    """What this process holds of the weights and of the optimizer's state, in elements."""

    def begin(self, run: Run) -> None:
        from torch.distributed.tensor import DTensor

        parts = [p.to_local() for p in run.model.parameters() if isinstance(p, DTensor)]
        self.held, self.whole = sum(p.numel() for p in parts), sum(p.numel() for p in run.model.parameters())

    def memory(self) -> dict[str, Any]:
        return {}


def run_case(name: str, folder: Path | None, shard: str, watch: tuple[Observer, ...] = ()) -> Fitted:
    make, settings = CASES[name]
    return tiny_fit(folder, [*make(), *watch], micro_batch=1, shard=shard, **settings)


def run_mixture(shard: str) -> Fitted:
    return mixed_fit(None, micro_batch=1, shard=shard, **SGD)


def main(folder: Path) -> None:
    """``folder`` holds under "from one" the checkpoint of one process."""
    with distributed.group():
        held = Held()
        for name in CASES:
            keep(run_case(name, folder / "through" if name == "adamw" else None, "always", (held,)), folder / name)
        keep(run_mixture("always"), folder / "mixture")
        if distributed.first():
            shutil.copytree(folder / "through" / RESUMED, folder / "again" / RESUMED)
            (folder / "held.json").write_text(json.dumps([held.held, held.whole]))
        distributed.barrier()
        keep(run_case("adamw", folder / "again", "always"), folder / "resumed")
        keep(run_case("adamw", folder / "from one", "always"), folder / "resumed from one")


def keep(fitted: Fitted, stem: Path) -> None:
    if distributed.first():
        save_file({name: tensor.contiguous() for name, tensor in weights(fitted).items()}, stem.with_suffix(".safetensors"))
        stem.with_suffix(".json").write_text(json.dumps([type(fitted.model.module).__name__, fitted.run.evaluations]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
