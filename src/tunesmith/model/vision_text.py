"""Two towers, one that sees and one that reads, whose vectors meet in one space; and a pair of pre-trained models made into such.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision" (CLIP), section 2.3; Zhai et al.
2022, "LiT: Zero-Shot Transfer with Locked-image text Tuning", for towers that were trained apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.task import Head
from tunesmith.model.body import whole
from tunesmith.model.processor import Processor, load_reader, senses
from tunesmith.model.sources import ModelSource
from tunesmith.model.tokenizer import bound, load_tokenizer
from tunesmith.model.weights import Loaded, load

_ROLES = {"vision": ("vision_model", "image"), "text": ("text_model", "text")}  # role -> where the pair keeps it, and its sense


def join(parts: Sequence[ModelSource], head: Head, dtype: torch.dtype) -> tuple[Loaded, Any]:
    """A ``VisionTextDualEncoderModel`` of two encoders, and its processor. The projections into the common space are new.

    Of a part that has two towers itself, CLIP for example, the one is taken. Raises ``InputError`` for parts that cannot be joined, and
    for a head that no such pair has.
    """
    import transformers

    classes = [getattr(transformers, name) for name in (head.auto, *head.otherwise)]
    if not any(transformers.VisionTextDualEncoderConfig in known._model_mapping for known in classes):
        raise InputError(Problem(f"A pair that sees and reads has no {head.auto}", "Name one model"))
    tokenizer = load_tokenizer(parts[1].path)
    if tokenizer is None:
        raise InputError(Problem("There is no tokenizer beside the weights", "Copy its files there", str(parts[1].path)))
    loaded = [load(part, Head("AutoModel", {}), text, dtype) for part, text in zip(parts, (None, tokenizer), strict=True)]
    towers = [_tower(one, part, role) for one, part, role in zip(loaded, parts, _ROLES, strict=True)]
    bound(tokenizer, towers[1])
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(*(tower.config for tower in towers))
    module = transformers.VisionTextDualEncoderModel(config, *towers).to(dtype).eval()
    lost = {f"{place}.{name}" for (place, _), one in zip(_ROLES.values(), loaded, strict=True) for name in one.fresh}
    new = ("visual_projection.", "text_projection.", "logit_scale")
    fresh = tuple(name for name, _ in module.named_parameters() if name in lost or name.startswith(new))
    unused = frozenset(f"{place}.{name}" for (place, _), one in zip(_ROLES.values(), loaded, strict=True) for name in one.unused)
    return Loaded(module, fresh, unused), Processor(tokenizer, load_reader(parts[0].path, "image"))


def _tower(loaded: Loaded, source: ModelSource, role: str) -> Any:
    """The encoder itself. Raises ``InputError`` where it does not take in what it is to, or gives no one vector."""
    place, sense = _ROLES[role]
    model = getattr(loaded.module, place, loaded.module)
    if sense not in senses(model):
        raise InputError(Problem(f"{source.spec} does not take in {sense}s", f"Name another as the {role} model", key="model"))
    if role == "text" and not _pools(model):
        remedy = "Name a BERT or RoBERTa, or a CLIP, whose text tower has one"
        raise InputError(Problem(f"{source.spec} gives no vector of a whole text: it has no pooler", remedy, key="model"))
    return model


@torch.no_grad()
def _pools(model: Any) -> bool:
    """Whether a model that reads gives one vector of a whole text."""
    return getattr(model(input_ids=torch.zeros(1, 2, dtype=torch.int64)), "pooler_output", None) is not None


def compares(module: nn.Module) -> bool:
    """Whether a model has two towers that meet in a similarity."""
    return hasattr(whole(module), "logit_scale") and hasattr(whole(module), "get_image_features")


def vectors(forward: Forward, kind: str, inputs: Mapping[str, Tensor]) -> Tensor:
    """The vectors of images (``kind`` image) or of texts (text), (batch, hidden) in float32, of length 1, on the CPU."""
    with forward.precision():
        there = {name: tensor.to(forward.device) for name, tensor in inputs.items()}
        found = getattr(whole(forward.module), f"get_{kind}_features")(**there)
    return F.normalize((found if isinstance(found, Tensor) else found.pooler_output).float(), dim=1).cpu()


def zero_shot(module: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The probabilities of labels by the vectors of their prompts: ``softmax(cos(image, label) / temperature)``, (images, labels)."""
    scale: Tensor = whole(module).logit_scale.detach().float().exp().cpu()
    return (images @ labels.T * scale).softmax(dim=1)


def symmetric_info_nce(scores: Tensor, images: Tensor, texts: Tensor) -> Tensor:
    """Half the cross-entropy of each image's own text among all, and half that of each text's own image: (batch,).

    ``scores`` (batch, batch) are similarities by temperature, a row for each image. ``images`` and ``texts`` (batch,) tell which are the
    same: another row with the same image, or the same text, is no negative.

    Source: Radford et al. 2021, figure 3; van den Oord et al. 2018, arXiv:1807.03748, equation 4.
    """
    same = (images[:, None] == images) | (texts[:, None] == texts)
    scores = scores.masked_fill(same & ~torch.eye(len(scores), dtype=torch.bool, device=scores.device), -torch.inf)
    own = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, own, reduction="none") + F.cross_entropy(scores.T, own, reduction="none")) / 2
