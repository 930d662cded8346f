"""What a model's folder holds, looked through before anything is loaded: weights, adapter, card; and what is missing or damaged."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem

CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
WEIGHTS, _INDEX, _ADAPTER_WEIGHTS = "model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_CONVERSION = (
    'python -c "import torch, safetensors.torch as s; w = torch.load({pickle!r}, weights_only=True); '
    "s.save_file({{k: v.contiguous().clone() for k, v in w.items()}}, {target!r}, {{'format': 'pt'}})\""
)
_TENSORFLOW = ("tf_model.h5", "model.h5", "saved_model.pb", "model.keras")
_WITH_TENSORFLOW = (
    "Convert it where tensorflow and transformers<5 are installed: "
    'python -c "import transformers as t; t.AutoModelForPreTraining.from_pretrained({folder!r}, from_tf=True).save_pretrained({folder!r})"'
)


def weights_in(folder: Path) -> Path:
    """The folder itself where it holds a whole model, or the one ``.gguf`` file in it.

    Raises ``InputError`` with all that is missing or damaged, and for weights in pickles, which can run code when they are read.
    """
    if (folder / WEIGHTS).exists() or (folder / _INDEX).exists():
        problems = [problem for file in _shards(folder) if (problem := _damage(folder / file))]
        if not (folder / CONFIG).exists():
            problems.append(Problem(f"There are weights but no {CONFIG}", "Copy it from where the weights come from", str(folder)))
        if problems:
            raise InputError(*problems)
        return folder
    found = sorted(folder.glob("*.gguf"))
    if len(found) == 1:
        return found[0]
    raise InputError(_without_weights(folder, found))


def digest(folder: Path) -> str:
    """The SHA-256 of all files of a folder with their names."""
    state = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        state.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            state.update(hashlib.file_digest(file, "sha256").digest())
    return state.hexdigest()


def tensorflow_index(folder: Path) -> Path | None:
    """The index of the one TensorFlow checkpoint in a folder, where there are no other weights. Raises ``InputError`` for several."""
    found = sorted(folder.glob("*.ckpt*.index")) if folder.is_dir() and not (folder / WEIGHTS).exists() else []
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:5])
        raise InputError(Problem(f"The folder holds {len(found)} TensorFlow checkpoints ({names})", "Leave one of them there", str(folder)))
    return found[0] if found else None


def base_of(adapter: Path) -> str:
    """The base model that a PEFT folder names, once its own weights are found whole."""
    if damaged := _damage(adapter / _ADAPTER_WEIGHTS):
        raise InputError(damaged)
    base = read_json(adapter / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not base:
        raise InputError(
            Problem("The adapter does not name its base model", "Fill in base_model_name_or_path", str(adapter / ADAPTER_CONFIG))
        )
    return str(base)


def card(folder: Path) -> tuple[str, str]:
    """The licence, and the hub id of the same content, as ``meta.json`` or the model card says; empty where neither does."""
    meta = read_json(folder / "meta.json") if (folder / "meta.json").exists() else {}
    readme = folder / "README.md"
    head = re.match(r"---\n(.*?)\n---", readme.read_text("utf-8", errors="replace"), re.DOTALL) if readme.exists() else None
    written = re.search(r"^license:[ ]*(\S+)", head[1], re.MULTILINE) if head else None
    return meta.get("licence") or (written[1] if written else ""), meta.get("origin", "")


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where it holds something else. Raises ``InputError`` where it is no JSON."""
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(Problem(f"The file is not JSON ({error})", "Copy or download it again", str(file))) from error
    return content if isinstance(content, dict) else {}


def open_up(folder: Path) -> None:
    """Let weights be read by whoever may read the folder they are in: safetensors writes files for their owner alone."""
    for path in folder.glob("*.safetensors"):
        path.chmod(folder.stat().st_mode & 0o666)


def _shards(folder: Path) -> list[str]:
    if (folder / WEIGHTS).exists():
        return [WEIGHTS]
    return sorted(set(read_json(folder / _INDEX).get("weight_map", {}).values()))


def _damage(file: Path) -> Problem | None:
    """What is wrong with a file of weights, from its header and its size alone."""
    from safetensors import SafetensorError, safe_open

    again = "Copy or download the file again"
    if not file.exists():
        return Problem("The file is missing", again, str(file))
    with file.open("rb") as opened:
        if opened.read(23) == b"version https://git-lfs":
            return Problem("The file is a Git LFS pointer, not the weights", "Run: git lfs pull", str(file))
    try:
        with safe_open(file, "pt"):
            return None
    except (SafetensorError, OSError) as error:
        return Problem(f"The weights cannot be read ({error})", again, str(file))


def _without_weights(folder: Path, ggufs: list[Path]) -> Problem:
    if ggufs:
        return Problem(f"The folder holds {len(ggufs)} .gguf files", f"Name one: {', '.join(map(str, ggufs[:5]))}", str(folder))
    pickles = sorted(file for file in folder.iterdir() if file.suffix in _PICKLES and file.name != "training_args.bin")
    if pickles:
        problem = f"The weights are a pickle ({pickles[0].name}), which can run code when it is read"
        return Problem(problem, f"Convert it: {_CONVERSION.format(pickle=str(pickles[0]), target=str(folder / WEIGHTS))}", str(folder))
    if foreign := next((folder / name for name in _TENSORFLOW if (folder / name).exists()), None):
        return Problem(
            f"The weights are in a format of TensorFlow ({foreign.name})", _WITH_TENSORFLOW.format(folder=str(folder)), str(folder)
        )
    return Problem(
        f"The folder holds no weights: neither {WEIGHTS} nor a .gguf file", "Name a folder that save_pretrained wrote", str(folder)
    )
