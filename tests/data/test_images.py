"""Images of every mode become RGB, and broken ones are refused."""

from __future__ import annotations

import builtins
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tunesmith.core.errors import ResourceError
from tunesmith.core.task import RowError
from tunesmith.data.images import drawn, opened, patches, pixels, read_image
from tunesmith.data.media import as_feature

READER = ViTImageProcessorPil(size={"height": 16, "width": 16})


def png(image: Image.Image, **settings: Any) -> bytes:
    content = BytesIO()
    image.save(content, "PNG", **settings)
    return content.getvalue()


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("L", (4, 3), 100), (100, 100, 100)),
        (Image.new("1", (4, 3), 1), (255, 255, 255)),
        (Image.new("LA", (4, 3), (100, 0)), (255, 255, 255)),
        (Image.new("RGBA", (4, 3), (200, 0, 0, 255)), (200, 0, 0)),
        (Image.new("RGBA", (4, 3), (0, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGB", (4, 3), (1, 2, 3)).convert("P"), (0, 0, 0)),
        (Image.fromarray(np.full((3, 4), 51400, np.uint16)), (200, 200, 200)),
    ],
)
def test_every_mode_becomes_rgb_on_white(image: Image.Image, colour: tuple[int, ...]) -> None:
    found = opened(png(image))
    assert (found.mode, found.size) == ("RGB", (4, 3))
    assert found.getpixel((0, 0)) == pytest.approx(colour, abs=3)


def test_a_palette_with_a_transparent_colour() -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 9, 9, 9])
    assert opened(png(image, transparency=1)).getpixel((0, 0)) == (255, 255, 255)


def test_a_picture_lies_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 2)).save(tmp_path / "a.jpg", exif=exif)
    assert opened(str(tmp_path / "a.jpg")).size == (2, 4)


def test_numbers_are_pictures() -> None:
    assert opened(drawn([[0, 255]])).getpixel((1, 0)) == (255, 255, 255)
    assert opened(drawn([[[0.0, 0.5, 1.0]]])).getpixel((0, 0)) == (0, 128, 255)
    assert opened(drawn(np.full((2, 2, 1), 7))).getpixel((0, 0)) == (7, 7, 7)
    assert opened(drawn(np.zeros((2, 2, 4), np.uint8))).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("numbers", [3, [1, 2], [[1], [1, 2]], [], [[300]], [[-1]], [["a"]], np.zeros((3, 8, 8)), [[float("nan")]]])
def test_numbers_that_are_none(numbers: Any) -> None:
    with pytest.raises(RowError):
        drawn(numbers)


def test_a_broken_picture_is_told_by_its_row(tmp_path: Path) -> None:
    whole = png(Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)))
    assert read_image(whole) == whole
    for name, content in (("cut.png", whole[:-800]), ("text.png", b"no picture"), ("empty.png", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RowError, match=rf"{name} is no image that can be read \(.+\)") as raised:
            read_image(str(tmp_path / name))
        assert raised.value.column == "image"


def test_pixels_are_what_the_reader_says() -> None:
    features = [as_feature(drawn([[shade] * 8] * 4)) for shade in (0, 255)]
    found = pixels(features, READER)
    assert found.shape == (2, 3, 16, 16)
    assert found[0].unique().tolist() == pytest.approx([-1])
    assert found[1].unique().tolist() == pytest.approx([1])


def test_positions_are_patches_and_one_more() -> None:
    assert patches(READER, type("Config", (), {"patch_size": 8})()) == 5
    assert patches(READER, object()) == 1


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "PIL":
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ResourceError, match="pip install 'tunesmith"):
        opened(b"")
