"""Full fine-tuning of MiniLM on package descriptions (20 topics): tunesmith beside transformers.Trainer.

    python benchmarks/classification.py [--rounds 3] [--cases ...]

All train the same rows for one epoch, with equal batch size (the Trainer's default), learning rate, schedule, weight decay and gradient
clipping, hence equally many optimizer steps; all are judged on the same test rows. "trainer best" computes in bfloat16 where the
processor has it, and groups rows by length. Tokens are real ones: padding does not count. Needs ``accelerate``.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

from texts import by_trainer, by_tunesmith
from turns import contest

CASES = {
    "full": {"num_rows": 1000, "epochs": 1, "batch_size": 8, "rate": 5e-5, "frozen": 0},
    "full, batches of 32": {"num_rows": 1000, "epochs": 1, "batch_size": 32, "rate": 1e-4, "frozen": 0},
}

if __name__ == "__main__":
    contest(__doc__ or "", {"tunesmith": by_tunesmith, "trainer best": partial(by_trainer, best=True), "trainer": by_trainer}, CASES)
