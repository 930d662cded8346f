"""Image augmentation: mirrors, crops and light by hand, and refused where there are no images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.strategies.image_augment import ImageAugment, lit, seen, views
from tunesmith.tasks.text_classification import TextClassification


@pytest.fixture
def images() -> Tensor:
    return torch.arange(2 * 3 * 4 * 6).float().view(2, 3, 4, 6)


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_whole_picture_is_the_picture_and_a_mirror_turns_it(images: Tensor) -> None:
    torch.testing.assert_close(seen(images, views(2, 0.0, 1.0, drawn())), images)
    torch.testing.assert_close(seen(images, views(2, 1.0, 1.0, drawn())), images.flip(3))


def test_a_crop_shows_a_part_in_the_size_of_the_whole() -> None:
    ramp = torch.linspace(0, 1, 64).expand(500, 1, 64, 64)  # rises from left to right
    found = seen(ramp, views(500, 0.0, 0.25, drawn()))
    width = found[:, 0, 32, -1] - found[:, 0, 32, 0]
    assert found.shape == ramp.shape
    assert float(width.min()) > 0.48  # half the side is a quarter of the area
    assert float(width.min()) < 0.55
    assert float(width.max()) > 0.95
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert float(found[:, 0, 32, 0].std()) > 0.1  # it begins anywhere


def test_mirrors_come_as_often_as_they_are_to() -> None:
    assert float((views(2000, 0.3, 1.0, drawn())[:, 0, 0] < 0).float().mean()) == pytest.approx(0.3, abs=0.03)


def test_light_keeps_what_is_brighter_brighter(images: Tensor) -> None:
    found = lit(images, 0.5, drawn())
    for picture, before in zip(found, images, strict=True):
        contrast = (picture.flatten()[-1] - picture.flatten()[0]) / (before.flatten()[-1] - before.flatten()[0])
        assert 0.5 <= float(contrast) <= 1.5
        torch.testing.assert_close(picture, before * contrast + picture.flatten()[0] - before.flatten()[0] * contrast, rtol=1e-4, atol=1e-3)


def test_rows_without_images_are_refused() -> None:
    with pytest.raises(InputError, match="'image_augment' needs images"):
        tiny_fit(None, [ImageAugment()], TextClassification.example)
