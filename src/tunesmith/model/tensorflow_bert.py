"""The original checkpoints of BERT, as its authors published them: ``bert_model.ckpt.*``, ``bert_config.json`` and ``vocab.txt``."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunesmith.core.errors import InputError, Problem
from tunesmith.model.files import CONFIG, WEIGHTS, read_json
from tunesmith.model.tensorflow_checkpoint import Checkpoint
from tunesmith.samples.fetch import cache

ORIGINAL_CONFIG = "bert_config.json"
OF_TRAINING = re.compile(r"(^|/)(adam_[mv]|global_step|AdamWeightDecayOptimizer(_1)?)(/|$)|^(beta[12]_power|_CHECKPOINTABLE_OBJECT_GRAPH)$")
NAMES = (  # what stands in a name of TensorFlow -> what BertForPreTraining calls it, one after the other
    (r"/", "."),
    (r"layer_(\d+)", r"layer.\1"),
    (r"gamma$", "weight"),
    (r"beta$", "bias"),
    (r"kernel$", "weight"),
    (r"(\w+_embeddings)$", r"\1.weight"),
    (r"output_bias$", "bias"),
    (r"output_weights$", "weight"),
)


def converted(index: Path) -> Path:
    """A Hugging Face folder with the same weights, in tunesmith's cache: written once for each checkpoint.

    Raises ``InputError`` where the checkpoint is damaged, or is none of BERT.
    """
    folder = index.parent
    if not (folder / ORIGINAL_CONFIG).exists():
        raise InputError(Problem(f"There is a TensorFlow checkpoint but no {ORIGINAL_CONFIG}", "Copy it beside the weights", str(folder)))
    settings = read_json(folder / ORIGINAL_CONFIG)
    data = sorted(folder.glob(f"{index.stem}.data-*"))
    about = [
        index.read_bytes(),
        json.dumps(settings, sort_keys=True).encode(),
        *(f"{path.stat().st_size} {path.stat().st_mtime_ns}".encode() for path in data),
    ]
    target = cache() / "tensorflow" / hashlib.sha256(b"".join(about)).hexdigest()[:32]
    if not (target / WEIGHTS).exists():
        _write(weights_of(Checkpoint.read(index), index), settings, folder, target)
    return target


def name_of(name: str) -> str:
    """The name of a weight in ``BertForPreTraining``: ``bert.encoder.layer.0.output.dense.weight``."""
    for pattern, instead in NAMES:
        name = re.sub(pattern, instead, name)
    return name


def weights_of(checkpoint: Checkpoint, index: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint under their names in transformers; what belongs to its training alone is left out.

    Raises ``InputError`` for a checkpoint of another model.
    """
    names = [name for name in checkpoint.entries if not OF_TRAINING.search(name)]
    others = [name for name in names if not name.startswith(("bert/", "cls/"))]
    if others or "bert/embeddings/word_embeddings" not in names:
        what = f"it holds {others[0]}" if others else "it has no bert/embeddings/word_embeddings"
        remedy = "Convert it to a Hugging Face folder with the tools of its authors; only the original checkpoints of BERT are read"
        raise InputError(Problem(f"The TensorFlow checkpoint is not one of BERT: {what}", remedy, str(index)))
    found = {}
    for name in names:
        values = checkpoint.tensor(name).astype(np.float32)
        found[name_of(name)] = torch.from_numpy(np.ascontiguousarray(values.T if name.endswith("kernel") else values))
    return found


def _write(weights: dict[str, Tensor], settings: dict[str, Any], folder: Path, target: Path) -> None:
    """Write the folder aside, and move it into place."""
    from safetensors.torch import save_file

    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    try:
        config = {**settings, "model_type": "bert", "architectures": ["BertForPreTraining"]}
        (aside / CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")
        save_file(weights, aside / WEIGHTS, {"format": "pt"})
        for file in (path for name in ("vocab.txt", "README.md", "meta.json") if (path := folder / name).exists()):
            shutil.copyfile(file, aside / file.name)
        if (vocabulary := folder / "vocab.txt").exists():
            lower = not re.search(r"^(?!\[).*[A-Z]", vocabulary.read_text(encoding="utf-8"), re.MULTILINE)
            (aside / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": lower}))
        aside.replace(target)
    except OSError:
        if not (target / WEIGHTS).exists():  # another process may have written it meanwhile
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
