"""What ``test_recipe_keys.py`` gives to keys: the rows of its runs, other values, and what must stand beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Flat = Mapping[str, Any]

GOOD = ["a good film", "the best story of a very good man and a cat in paris", "wonderful", "i loved the music very well"]
BAD = ["a bad film", "the worst plot of a very poor man and a dog in paris", "dull", "i hated the music very long"]
ROWS = [
    {"text": f"{text} {number}", "other": f"{number} {text[::-1]}", "label": label}
    for number in range(3)
    for label, texts in (("good", GOOD), ("bad", BAD))
    for text in texts
]


def labelled(*labels: Any) -> dict[str, Any]:
    return {"data.train": [{**row, "label": labels[number % len(labels)]} for number, row in enumerate(ROWS)]}


NO_BETTER: Flat = {"training.learning_rate": 1e-12, "training.batch_size": 64, "training.epochs": 8}  # nothing moves in any of its steps
GROUPED: Flat = {
    "data.train": [{**row, "source": f"{number % 3 > 0}"} for number, row in enumerate(ROWS)],
    "data.columns": {"group": "source"},
}
SOURCES: Flat = {**GROUPED, "data.train": [{**row, "source": str(number % 2)} for number, row in enumerate(ROWS)]}
OTHER_TEXTS = ["the best day of a man", "a poor story of the dog in paris", "hated it", "wonderful , new music"]

# key -> another value, where none follows from the type and the range of the one it has
VALUES: Flat = {
    "model": "OTHER MODEL",
    "name": "another",
    "seed": 5,
    "base_folder": "OTHER FOLDER",
    "data.train": ROWS[1:],
    "data.validation": "40%",
    "data.test": "20%",
    "data.tests": {"target": ROWS[:4]},
    "data.columns": {"text": "other"},
    "data.labels": {"good": "fine"},
    "data.max_rows": 9,
    "data.shots": 2,
    "task.labels": ["good", "bad"],
    "task.separator": ";",
    "task.pairs": False,
    "task.class_weights": {"bad": 3.0},
    "task.max_length": 8,
    "task.metric": "f1_macro",
    "task.threshold": 0.75,
    "training.steps": 4,
    "training.head_rate": 0.05,
    "training.micro_batch": 3,
    "training.epsilon": 1e-3,
    "training.warmup": "50%",
    "training.cooldown": "60%",
    "training.evaluate_every": "2st",
    "training.save_every": "2st",
    "training.log_every": 2,
    "strategies.adapter.scale": 0.5,
    "strategies.adaptive.gap": 0.0,
    "strategies.augment.operations": ["punctuate"],
    **{f"strategies.back_translation.{way}": "/nowhere" for way in ("there", "back")},
    "strategies.back_translation.languages": ["eng_Latn", "fra_Latn"],
    **{f"strategies.back_translation.prompt_{way}": "very good {text}" for way in ("there", "back")},
    **{f"strategies.{name}.keep": 0.9999 for name in ("back_translation", "paraphrase")},
    **{f"strategies.{name}.stretch": 60.0 for name in ("back_translation", "paraphrase")},
    "strategies.auto_freeze.every": "2st",
    "strategies.blend.first": {"0": 1.0},
    "strategies.blend.last": {"0": 1.0},
    "strategies.blend.start": "3st",
    "strategies.blend.until": "2st",
    "strategies.auto_freeze.keep": 3,
    "strategies.chain_thaw.every": "2st",
    "strategies.consistency.threshold": 0.999,
    "strategies.curriculum.by": "loss",
    "strategies.curriculum.reference": "/nowhere",
    "strategies.curriculum.renew": "1st",
    "strategies.curriculum.until": "2st",
    "strategies.distil.teacher": "/nowhere",
    "strategies.dropout.embedding": 0.4,
    "strategies.dropout.head": 0.4,
    "strategies.importance_weighting.largest": 1.01,
    "strategies.peft.settings_of_peft": {"init_ia3_weights": False},
    "strategies.peft.targets": "attention",
    "strategies.pretrain_loss.max_length": 8,
    "strategies.pretrain_loss.texts": "TEXTS",
    "strategies.probe.until": "3st",
    "strategies.self_training.threshold": 0.9999,
    "strategies.surgical.probe": "3st",
    "strategies.swa.every": "2st",
    "strategies.swa.start": "1st",
    "strategies.consistency.operations": ["punctuate"],
    "strategies.consistency.unlabelled": OTHER_TEXTS,
    "strategies.coral.target": OTHER_TEXTS,
    "strategies.domain_adversarial.target": OTHER_TEXTS,
    "strategies.importance_weighting.target": OTHER_TEXTS,
    "strategies.mask_augment.model": "/nowhere",
    "strategies.mmd.target": OTHER_TEXTS,
    "strategies.paraphrase.model": "/nowhere",
    "strategies.paraphrase.prompt": "very good {text}",
    "strategies.self_training.unlabelled": OTHER_TEXTS,
    "data.split_seed": 7,
    "strategies.self_training.every": "3st",
    "strategies.similar.target": OTHER_TEXTS,
    "strategies.clip.value": 1e-4,
    "strategies.dropout.attention": 0.0,
    "strategies.early_stop.minimum_gain": 1e6,
    "strategies.ema.decay": 0.2,
    "strategies.few_shot.pair_loss": "info_nce",
    "strategies.few_shot.until": "2st",
    "strategies.freeze.fraction": 0.4,
    "strategies.freeze.patterns": ["query"],
    "strategies.freeze.embeddings": False,
    "strategies.ewc.num_rows": 1,
    "strategies.ewc.past": ROWS[:3],
    "strategies.gem.memory_rows": 1,
    "strategies.nearest_neighbours.num_rows": 4,
    "strategies.gem.past": ROWS[:3],
    "strategies.layer_rates.groups": [0.2, 1.0],
    "strategies.lora.targets": "attention",
    "strategies.qlora.targets": "attention",
    "strategies.replay.num_rows": 1,
    "strategies.replay.past": ROWS[:3],
    "strategies.si.every": "1st",
    "strategies.unfreeze.every": "1st",
}
# key -> what else the recipe needs, so that the key can matter
CONTEXTS: Mapping[str, Flat] = {
    "base_folder": {"data.train": "rows.jsonl"},
    "data.deduplicate": {"data.train": [*ROWS, *ROWS]},
    "data.on_bad_row": {"data.train": [*ROWS, {**ROWS[0], "text": ""}]},
    "task.kind": labelled("0", "1"),
    "task.separator": labelled("a|b;c", "c"),
    "task.pairs": {"data.train": [{**row, "text_pair": row["other"]} for row in ROWS]},
    "task.threshold": labelled(["a"], ["b"], ["a", "b"]),
    "training.keep": {"training.save_every": "1st"},
    "training.trunk": {"strategies.freeze": {}, "strategies.freeze.layers": 2},
    "training.patience": {"training.evaluate_every": "1st"},
    "training.factor": {"training.evaluate_every": "1st"},
    "strategies.adaptive.factor": {"strategies.adaptive.patience": 1, "training.evaluate_every": "1st"},
    **{f"strategies.adaptive.{name}": NO_BETTER for name in ("patience", "falls")},
    "strategies.adaptive.gap": {"training.evaluate_every": "1st"},
    **{f"strategies.{name}.keep": {f"strategies.{name}.stretch": 60.0} for name in ("back_translation", "paraphrase")},
    "strategies.balance.power": {"data.train": ROWS[:20]},
    "strategies.balance.by": GROUPED,
    "strategies.last_layer.balance": {**GROUPED, "data.train": GROUPED["data.train"][:20]},
    **{f"strategies.adversarial_debiasing.{name}": GROUPED for name in ("strength", "sees", "equal")},
    **{f"strategies.fairness.{name}": GROUPED for name in ("strength", "equal")},
    **{f"strategies.group_dro.{name}": GROUPED for name in ("rate", "by", "adjustment")},
    **{f"strategies.{name}.by": GROUPED for name in ("maml", "reptile")},
    "strategies.maml.order": {"training.precision": "float32"},
    **{f"strategies.blend.{name}": SOURCES for name in ("first", "last", "start", "until")},
    "strategies.class_balanced.beta": {"data.train": ROWS[:20]},
    "strategies.thaw.embeddings": {"strategies.thaw.start": 4},
    "strategies.pretrain_loss.max_length": {"strategies.pretrain_loss.texts": "TEXTS"},
    "strategies.early_stop.patience": {"training.evaluate_every": "1st"},
    "strategies.early_stop.minimum_gain": {**labelled(9.5, 10.5), "training.evaluate_every": "1st", "task.metric": "mse"},
    "strategies.replay.choose": {"strategies.replay.num_rows": 3, "strategies.replay.past": ROWS[3:]},
    "strategies.replay.of": {"strategies.replay.past": ROWS[:4], "strategies.replay.share": 1.0},
    "strategies.unfreeze.embeddings": {"strategies.unfreeze.every": "1st"},
}
# what auto finds here, under its own name, or what changes memory or time alone
SAME = [
    ("strategies.ewc.anchor", "latest"),
    ("strategies.ewc.decay", 0.5),
    ("strategies.gem.constraints", "each"),
    ("task.kind", "single"),
    ("training.precision", "float32"),
    ("training.precision", "bfloat16"),
    ("training.shard", "never"),
    ("training.compile", "never"),
    ("training.compile", "always"),  # takes minutes: tests/engine/test_compiled.py
    ("training.trunk", "always"),
    ("training.recompute", "always"),
    ("training.recompute", "never"),
]
# what these rows, or a processor, cannot do, so that the run is refused, as it is for a row that is bad
REFUSED = [
    ("task.kind", "multi"),
    ("training.precision", "float16"),
    ("training.shard", "always"),
    ("strategies.maml.by", "task"),
    ("strategies.reptile.by", "task"),
    ("strategies.mask_augment.model", "/nowhere"),
    ("strategies.distil.teacher", "/nowhere"),
    ("strategies.back_translation.there", "/nowhere"),
    ("strategies.back_translation.back", "/nowhere"),
    ("strategies.back_translation.languages", ["eng_Latn", "fra_Latn"]),
    ("strategies.paraphrase.model", "/nowhere"),
    ("strategies.curriculum.reference", "/nowhere"),
]
