"""Whether two models put out the same for the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.model.body import whole
from tunesmith.model.processor import senses

TOLERANCE = 1e-3  # of the largest value, in float32
ROWS, LENGTH = 4, 12  # of what is made up
SAMPLES = 16_000  # of a sound: a second, as nearly all models of sound hear it


@dataclass(frozen=True)
class Difference:
    """The largest difference between two outputs, and the same as a share of the largest value of the second."""

    largest: float
    share: float

    @property
    def small(self) -> bool:
        """Whether it is no more than rounding."""
        return self.share <= TOLERANCE  # never for NaN


@torch.no_grad()
def outputs(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a model puts out on the CPU in evaluation mode: every floating-point tensor by name, in float32."""
    found: Any = module.cpu().eval()(**inputs)
    return {name: value.float() for name, value in found.items() if isinstance(value, Tensor) and value.is_floating_point()}


def difference(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Difference:
    """How far the outputs ``one`` are from ``other``; infinite where they are not of the same names and shapes, or there are none."""
    shapes = [{name: value.shape for name, value in side.items()} for side in (one, other)]
    if shapes[0] != shapes[1] or not one:
        return Difference(float("inf"), float("inf"))
    apart = [float((one[name] - value).abs().max()) for name, value in other.items()]
    shares = [gap / max(float(value.abs().max()), 1e-6) for gap, value in zip(apart, other.values(), strict=True)]
    return Difference(_worst(apart), _worst(shares))


def generated(module: nn.Module) -> dict[str, Tensor]:
    """Something that a model can read, see or hear: random tokens, pixels or sounds, the same each time."""
    model = whole(module)
    made: dict[str, Tensor] = {}
    for sense in dict.fromkeys((*senses(module), *(["text"] if model.config.is_encoder_decoder else []))):
        made |= _MAKERS[sense](model, torch.Generator().manual_seed(0))
    if model.config.is_encoder_decoder:  # the decoder reads what was written; it alone does where the encoder sees or hears
        made["decoder_input_ids"] = made["input_ids"] if model.main_input_name == "input_ids" else made.pop("input_ids")
    return made


def _worst(values: list[float]) -> float:
    """The largest value; NaN where one is."""
    return float(torch.tensor(values).max())


def _text(model: Any, generator: torch.Generator) -> dict[str, Tensor]:
    size = model.config.get_text_config().vocab_size
    return {"input_ids": torch.randint(min(5, size - 1), size, (ROWS, LENGTH), generator=generator)}


def _image(model: Any, generator: torch.Generator) -> dict[str, Tensor]:
    vision = getattr(model.config, "vision_config", model.config)
    return {"pixel_values": torch.rand(ROWS, getattr(vision, "num_channels", 3), vision.image_size, vision.image_size, generator=generator)}


def _sound(model: Any, generator: torch.Generator) -> dict[str, Tensor]:
    shape = [SAMPLES]
    if model.main_input_name == "input_features":  # frames of a spectrum, as many as Whisper has positions for
        shape = [model.config.num_mel_bins, 2 * model.config.max_source_positions]
    return {model.main_input_name: torch.randn(ROWS, *shape, generator=generator)}


_MAKERS: dict[str, Callable[[Any, torch.Generator], dict[str, Tensor]]] = {"text": _text, "image": _image, "audio": _sound}
