"""What each process of ``test_distributed`` does: train, and let the first rank write the weights."""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import save_file

from training import tiny_fit, weights
from tunesmith.engine import distributed
from tunesmith.recipes.find import find


def main(folder: Path, strategies: list[str], steps: int) -> None:
    with distributed.group():
        parts = [find("strategies", name).example() for name in strategies]
        fitted = tiny_fit(folder, parts, micro_batch=1, steps=steps, optimizer="sgd", learning_rate=0.1)
        if distributed.first():
            save_file({name: tensor.contiguous() for name, tensor in weights(fitted).items()}, folder / f"weights-{steps}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [name for name in sys.argv[2].split(",") if name], int(sys.argv[3]))
