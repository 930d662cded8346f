"""Questions with four choices, answered by SmolLM2-135M without tuning: each question is read once, or once with each choice.

    ASSETS=assets python benchmarks/choices.py [--rounds 3] [--rows N]

Both find how likely each choice is behind its question, in float32; the score is accuracy, and ``digest`` tells whether the answers are
the same. ``ASSETS`` is a folder with ``data/mcq_medical/test.jsonl``.
"""

from __future__ import annotations

import sys
import time
import zlib
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

from assets import here, table
from turns import Result, contest

CASES = {"medical questions": {"num_test": 400}}


def answered(num_test: int, seed: int, once: bool) -> Result:
    """The answers to some questions, other ones with each seed."""
    from tunesmith.core.forward import Forward
    from tunesmith.data.encode import Encoded
    from tunesmith.evaluate.score import predict
    from tunesmith.model.build import build_for
    from tunesmith.tasks.multiple_choice import MultipleChoice

    chosen = table("mcq_medical", "test")[seed * num_test :][:num_test]
    asked = [{"question": row["question"], "choices": row["options"], "answer": row["answer"]} for row in chosen]
    task = MultipleChoice()
    task.learn(asked)
    model = build_for(task, "sample:smollm2")
    task.packed = task.packed and once
    rows = [task.read(row) for row in asked]
    begun = time.perf_counter()
    found = predict(Forward(model.module.eval()), Encoded([task.encode(rows, model.tokenizer)]), task, model.tokenizer)
    seconds = time.perf_counter() - begun
    digest = f"{zlib.crc32(repr([one['index'] for one in found]).encode()):08x}"
    return {
        "score": sum(task.correct(found, rows)) / len(rows),
        "seconds": seconds,
        "rows_per_second": len(rows) / seconds,
        "digest": digest,
    }


if __name__ == "__main__" and here():
    contest(__doc__ or "", {"once": partial(answered, once=True), "with each choice": partial(answered, once=False)}, CASES)
