"""How near to the machine's own limit training comes: useful FLOP/s beside the rate of matrix products, in the format that it trains in.

    python benchmarks/limit.py [--rows 1000]

Useful are the matrix products of the layers for real tokens: 6 per weight and token for forward and backward, and 12 * layers * width *
length for attention (Kaplan et al. 2020, section 2.1). Padding, optimizer, dropout and everything else count as time alone. The rate of
matrix products is measured before and after, at the sizes of the model's layers.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

LAYERS, WIDTH, WEIGHTS = 6, 384, 6 * 12 * 384 * 384
CASES = {8: 400, 32: 1000}  # rows by batch size


def matrix_rate(positions: int = 768) -> float:
    """FLOP/s of products of the sizes of a layer, in the format of training: positions by 384 by 1536."""
    import torch
    from turns import half

    a, b = (torch.randn(*shape).to(torch.bfloat16 if half() else torch.float32) for shape in ((positions, WIDTH), (WIDTH, 4 * WIDTH)))
    rates = []
    for _ in range(60):
        begun = time.perf_counter()
        for _ in range(10):
            a @ b
        rates.append(10 * 2 * positions * WIDTH * 4 * WIDTH / (time.perf_counter() - begun))
    return statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="rows to train on; as many as take about a minute when absent")
    given = parser.parse_args()
    from texts import by_tunesmith

    for batch_size, usual in CASES.items():
        num_rows = given.rows or usual
        before = matrix_rate()
        run = by_tunesmith(seed=0, num_rows=num_rows, epochs=1, batch_size=batch_size, rate=5e-5, frozen=0)
        after = matrix_rate()
        length = 95  # tokens of a row, on average
        useful = run["tokens_per_second"] * (6 * WEIGHTS + 12 * LAYERS * WIDTH * length)
        rate = (before + after) / 2
        print(
            f"batches of {batch_size}: {run['tokens_per_second']:,.0f} tokens/s, {useful / 1e9:.0f} useful GFLOP/s of {rate / 1e9:.0f}"
            f" ({before / 1e9:.0f} before, {after / 1e9:.0f} after): {useful / rate:.0%}"
        )


if __name__ == "__main__":
    main()
