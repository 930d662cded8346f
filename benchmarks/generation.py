"""SmolLM2-135M goes on from 32 package descriptions with 64 tokens each: tunesmith beside generate of transformers at its defaults.

    python benchmarks/generation.py [--rounds 3] [--rows N] [--cases ...]

Both have the same float32 weights and write the likeliest token each time; ``digest`` tells whether they wrote the same ones. "tunesmith
bf16" multiplies matrices in bfloat16, as ``tunesmith predict`` does where the processor can, and may write other words. The score is
the number of tokens that were written. ``--rows`` is the number of prompts.
"""

from __future__ import annotations

import sys
import time
import zlib
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from texts import rows
from turns import Result, contest, half

CASES: dict[str, dict[str, Any]] = {
    "descriptions": {"num_rows": 32, "max_new_tokens": 64, "longest": 256},
    "descriptions, cut at 32 tokens": {"num_rows": 32, "max_new_tokens": 64, "longest": 32},
}


def made(num_rows: int, longest: int, seed: int) -> tuple[Any, Any, list[list[int]]]:
    """The model, its tokenizer, and other prompts with each seed."""
    import random

    from tunesmith.core.task import Head
    from tunesmith.model.build import build

    model = build("sample:smollm2", Head("AutoModelForCausalLM", {}))
    texts = [row["text"] for row in random.Random(seed).sample(rows("test"), num_rows)]
    prompts = model.tokenizer(texts, truncation=True, max_length=longest)["input_ids"]
    return model.module.eval(), model.tokenizer, prompts


def by_tunesmith(num_rows: int, max_new_tokens: int, longest: int, seed: int, bfloat16: bool = False, num_test: int = 0) -> Result:
    import torch

    from tunesmith.core.forward import CPU, Forward
    from tunesmith.model.decoding import Decoding
    from tunesmith.model.generate import generate

    module, tokenizer, prompts = made(num_rows, longest, seed)
    begun = time.perf_counter()
    with torch.no_grad(), Forward(module, CPU, torch.bfloat16 if bfloat16 else torch.float32).precision():
        answers = generate(module, tokenizer, prompts, Decoding(max_new_tokens))
    return told(answers, time.perf_counter() - begun)


def by_transformers(num_rows: int, max_new_tokens: int, longest: int, seed: int, num_test: int = 0) -> Result:
    module, tokenizer, prompts = made(num_rows, longest, seed)
    begun = time.perf_counter()
    inputs = tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt")
    written = module.generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens)[:, inputs["input_ids"].shape[1] :].tolist()
    seconds = time.perf_counter() - begun
    end = tokenizer.eos_token_id
    return told([ids[: ids.index(end) + 1] if end in ids else ids for ids in written], seconds)


def told(answers: list[list[int]], seconds: float) -> Result:
    tokens = sum(map(len, answers))
    return {
        "score": tokens,
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "digest": f"{zlib.crc32(repr(answers).encode()):08x}",
    }


if __name__ == "__main__":
    in_half = {"tunesmith bf16": partial(by_tunesmith, bfloat16=True)} if half() else {}
    contest(__doc__ or "", {"tunesmith": by_tunesmith, **in_half, "transformers": by_transformers}, CASES)
