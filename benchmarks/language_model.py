"""SmolLM2-135M tuned on conversations: tunesmith beside TRL's SFTTrainer, with LoRA and in full.

    python -m pip install '.[bench]' --constraint constraints.txt
    python benchmarks/language_model.py [--rounds 3] [--cases ...]

All learn the last answer of the same conversations for one epoch, with equal batch size, rate, schedule and number of optimizer steps; the
score is the loss of held-out answers, which the same code computes for all of them. "trl" keeps its defaults, "trl best" computes in
bfloat16 (where the processor has it) without gradient checkpoints, and groups rows by length. Tokens are real ones: padding does not count.
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "support"))

from turns import Result, contest, half

LENGTH = 512
NUM_TEST = 12  # conversations
LORA = {"rank": 8, "alpha": 16.0}
CASES = {
    "lora": {"num_rows": 96, "batch_size": 8, "rate": 5e-4, "lora": True},
    "full": {"num_rows": 64, "batch_size": 8, "rate": 2e-5, "lora": False},
}


def conversations(split: str, most: int) -> list[dict[str, Any]]:
    """Conversations whose last turn is to be learned, each short enough that nobody has to cut it."""
    from tunesmith.core.json_lines import read_values
    from tunesmith.samples.fetch import fetch

    rows = read_values(fetch("preferences") / f"{split}.jsonl")
    whole = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
    short = [row for row in whole if sum(len(turn["content"]) for turn in row["prompt"] + row["completion"]) < 3 * LENGTH]
    return short[:most]


def by_tunesmith(num_rows: int, batch_size: int, rate: float, lora: bool, seed: int, num_test: int = NUM_TEST) -> Result:
    import tunesmith

    with tempfile.TemporaryDirectory() as scratch:
        report = tunesmith.train(
            model="sample:smollm2",
            task={"chat": {"max_length": LENGTH, "turns": "last", "written": 0}},
            data={"train": conversations("train", num_rows), "validation": None, "test": conversations("test", 2)},
            strategies=["clip", *([{"lora": LORA}] if lora else [])],
            training={"epochs": 1, "learning_rate": rate, "batch_size": batch_size, "warmup": "0st"},
            baselines=False,
            seed=seed,
            runs=scratch,
        )
        tuned = tunesmith.load(report.folder).model
        score = loss_of(tuned.module, tuned.tokenizer, num_test)
    return {"score": score, "seconds": report.scores["seconds"]["train"], "tokens_per_second": report.scores["tokens_per_second"]}


def by_trl(num_rows: int, batch_size: int, rate: float, lora: bool, seed: int, best: bool = False, num_test: int = NUM_TEST) -> Result:
    import datasets
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from tunesmith.core.task import Head
    from tunesmith.model.build import build

    made = build("sample:smollm2", Head("AutoModelForCausalLM", {}))
    rows = conversations("train", num_rows)
    own: dict[str, Any] = {} if half() else {"bf16": False}  # a default that such a processor refuses
    if best:
        own = {"bf16": half(), "use_cpu": True, "gradient_checkpointing": False, "train_sampling_strategy": "group_by_length"}
    with tempfile.TemporaryDirectory() as out:
        settings = SFTConfig(
            out, num_train_epochs=1, per_device_train_batch_size=batch_size, learning_rate=rate, max_length=LENGTH, seed=seed,
            weight_decay=0.01, save_strategy="no", report_to=[], disable_tqdm=True, **own,
        )  # fmt: skip
        adapter = LoraConfig(r=LORA["rank"], lora_alpha=LORA["alpha"], target_modules="all-linear", task_type="CAUSAL_LM")
        trainer = SFTTrainer(
            made.module, settings, train_dataset=datasets.Dataset.from_list(rows), processing_class=made.tokenizer,
            peft_config=adapter if lora else None,
        )  # fmt: skip
        begun = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - begun
    tokens = sum(len(made.tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=True)["input_ids"]) for row in rows)
    return {"score": loss_of(trainer.model, made.tokenizer, num_test), "seconds": seconds, "tokens_per_second": tokens / seconds}


def loss_of(module: Any, tokenizer: Any, num_test: int) -> float:
    """The mean loss of the tokens of held-out answers, in float32 and one conversation at a time."""
    import torch

    total, count = 0.0, 0
    module = module.float().eval()
    for row in conversations("test", num_test):
        asked = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
        whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=True)["input_ids"]
        with torch.no_grad():
            logits = module(input_ids=torch.tensor([whole])).logits[0, len(asked) - 1 : -1].float()
        right = torch.tensor(whole[len(asked) :])
        total += float(torch.nn.functional.cross_entropy(logits, right, reduction="sum"))
        count += len(right)
    return total / count


if __name__ == "__main__":
    contest(__doc__ or "", {"tunesmith": by_tunesmith, "trl best": partial(by_trl, best=True), "trl": by_trl}, CASES)
