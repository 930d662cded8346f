"""Images: read in any mode and any form, checked as rows are read, and made into pixels when a batch is made."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor

from tunesmith.core.errors import ResourceError
from tunesmith.core.task import Row, RowError
from tunesmith.data.media import Medium, checked, medium_of, of_feature


def pillow() -> ModuleType:
    """``PIL.Image``. Raises ``ResourceError`` where the package is not installed."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ResourceError("Images need the package pillow", remedy="Run: pip install 'tunesmith[images]'") from error
    return Image


def read_image(value: Any, role: str = "image") -> Medium:
    """The image in a cell: a path, the bytes of a file, ``{bytes, path}``, or numbers (height, width[, channels]).

    Raises ``RowError`` for what is not there or cannot be decoded to its end.
    """
    medium = medium_of(value, role, drawn)
    checked(medium, _check)
    return medium


def opened(medium: Medium) -> Any:
    """The image as ``PIL.Image.Image`` in RGB, upright; of several frames the first. What is transparent is white.

    Raises ``RowError`` where it cannot be decoded.
    """
    image_module = pillow()
    from PIL import ImageOps

    try:
        with image_module.open(medium if isinstance(medium, str) else BytesIO(medium)) as file:
            image = ImageOps.exif_transpose(file)
            image.load()
    except (OSError, ValueError, SyntaxError, EOFError, image_module.DecompressionBombError) as error:
        name = medium if isinstance(medium, str) else "the content"
        said = str(error).partition("<_io")[0].strip() or type(error).__name__
        message = f"{name} is no image that can be read ({said.removesuffix(' file')})"
        raise RowError(message, "Write the file again, or leave the row out", "image") from error
    if image.mode.startswith("I"):  # 16 bits of grey
        image = image_module.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = image_module.alpha_composite(image_module.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def pixels(features: Sequence[Row], reader: Any) -> Tensor:
    """The images of some features as the model reads them: (batch, 3, height, width) float32.

    ``reader`` is an image processor of transformers.
    """
    found: Tensor = reader([opened(of_feature(feature)) for feature in features], return_tensors="pt")["pixel_values"]
    return found


def patches(reader: Any, config: Any) -> int:
    """How many positions an image takes: patches of the model's size, and one more; 1 where a model has no patches."""
    side = getattr(getattr(config, "vision_config", config), "patch_size", 0)
    *_, height, width = reader([pillow().new("RGB", (8, 8))], return_tensors="pt")["pixel_values"].shape
    return 1 + (height // side) * (width // side) if isinstance(side, int) and side else 1


def drawn(numbers: Any) -> bytes:
    """Numbers as the content of a PNG file: whole ones from 0 to 255, or fractions from 0 to 1; (height, width), or with channels last.

    Raises ``RowError`` for anything else.
    """
    try:
        array = np.asarray(numbers)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "uif" or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or not array.size:
        remedy = "Give the path of a file, its bytes, or numbers of the shape (height, width) or (height, width, channels)"
        raise RowError(f"a value of the shape {array.shape} is no image", remedy, "image")
    most = 1.0 if array.dtype.kind == "f" and array.max() <= 1 else 255.0
    if not (array.min() >= 0 and array.max() <= most):
        raise RowError(f"the pixels go from {array.min():g} to {array.max():g}", "Give 0 to 255, or fractions from 0 to 1", "image")
    array = np.rint(array * (255 / most)).astype(np.uint8)
    content = BytesIO()
    pillow().fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array).save(content, "PNG")
    return content.getvalue()


def _check(medium: Medium) -> float:
    return float(max(opened(medium).size))
