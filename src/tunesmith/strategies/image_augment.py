"""Image augmentation: pictures are seen turned round, from nearer and in other light, otherwise each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Strategy

PIXELS = "pixel_values"  # (images, channels, height, width), as transformers calls them


@dataclass
class ImageAugment(Strategy):
    """Gives the model a part of each picture, mirrored or not, with another contrast and brightness, while its label stays.

    Formula: x' = c * x(crop, mirror) + b, a crop of a share of the area from ``smallest`` to 1 anywhere in the picture, mirrored with
    probability ``mirror``, c = 1 + colour * u and b = colour * v, u and v even in [-1, 1].
    Use when: there are fewer than some ten thousand pictures. Not mirrored where left and right matter, letters and numbers above all;
    not cropped where what decides may lie at the edge.
    Cost: memory x1, time x1 and a pass over the pixels; nothing is kept of the layers of the pictures.
    Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", section 4.1 (crops, mirrors);
    Howard 2013, "Some Improvements on Deep Convolutional Neural Network Based Image Classification", section 2.2 (contrast, brightness).
    Differs: crops keep the picture's proportions; contrast and brightness change what the model reads, whose channels have mean 0 and
    deviation 1 or so, and all channels alike.
    """

    mirror: float = setting(0.5, "probability that left and right change places", low=0, high=1)
    smallest: float = setting(0.6, "smallest share of the area that is seen; 1 for all of it", above=0, high=1)
    colour: float = setting(0.2, "how far contrast and brightness go, in deviations of the pixels", low=0)

    needs: ClassVar[frozenset[str]] = frozenset({"images"})
    perturbs: ClassVar[bool] = True

    def loss(self, batch: Batch, run: Run, inner: Callable[[Batch], Loss]) -> Loss:
        images, generator = batch.inputs[PIXELS], run.generator("image_augment")
        if self.mirror or self.smallest < 1:
            images = seen(images, views(len(images), self.mirror, self.smallest, generator))
        if self.colour:
            images = lit(images, self.colour, generator)
        return inner(replace(batch, inputs={**batch.inputs, PIXELS: images}))


def views(count: int, mirror: float, smallest: float, generator: torch.Generator) -> Tensor:
    """How each of ``count`` pictures is looked at, (count, 2, 3): the affine map of the places of a view to those of the picture."""
    area, across, down, turned = torch.rand(4, count, generator=generator)
    side = (smallest + (1 - smallest) * area).sqrt()
    room = 1 - side
    found = torch.zeros(count, 2, 3)
    found[:, 0, 0] = side * torch.where(turned < mirror, -1.0, 1.0)
    found[:, 1, 1] = side
    found[:, 0, 2], found[:, 1, 2] = room * (2 * across - 1), room * (2 * down - 1)
    return found


def seen(images: Tensor, how: Tensor) -> Tensor:
    """Views of pictures (n, channels, height, width) by maps (n, 2, 3), of the same size, interpolated linearly."""
    grid = F.affine_grid(how.to(images.device), list(images.shape), align_corners=False)  # (n, height, width, 2)
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False).to(images.dtype)


def lit(images: Tensor, colour: float, generator: torch.Generator) -> Tensor:
    """Pictures in another light: each times a number around 1, plus one around 0."""
    changes = (2 * torch.rand(2, len(images), 1, 1, 1, generator=generator) - 1).mul(colour).to(images)
    return images * (1 + changes[0]) + changes[1]
