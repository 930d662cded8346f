"""What each process of ``test_distributed`` does: train, and let the first rank write the weights."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from training import tiny_fit, weights
from tunesmith.engine import distributed
from tunesmith.recipes.find import find


def main(folder: Path, strategies: list[str], steps: int) -> None:
    with distributed.group():
        parts = [example(*name.split(":")) for name in strategies]
        fitted = tiny_fit(folder, parts, micro_batch=1, steps=steps, optimizer="sgd", learning_rate=0.1)
        if distributed.first():
            save_file({name: tensor.contiguous() for name, tensor in weights(fitted).items()}, folder / f"weights-{steps}.safetensors")


def example(name: str, by: str = "") -> Any:
    """The example of a strategy, by a value of its setting ``by``."""
    kind = find("strategies", name)
    return replace(kind.example(), by=by) if by else kind.example()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [name for name in sys.argv[2].split(",") if name], int(sys.argv[3]))
