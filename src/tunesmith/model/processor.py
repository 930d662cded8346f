"""What feeds a model that sees or hears: its image processor or feature extractor, and its tokenizer where it reads too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.core.errors import InputError, Problem, ResourceError
from tunesmith.model.body import whole

FILES = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class Processor:
    """``reader`` is an image processor or a feature extractor of transformers; ``tokenizer`` is None for a model that reads no text."""

    tokenizer: Any
    reader: Any

    def save_pretrained(self, folder: str | Path) -> None:
        """Write both as transformers loads them."""
        self.reader.save_pretrained(folder)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)


def senses(module: Any) -> tuple[str, ...]:
    """What a model of transformers takes in: ``image``, ``audio``, ``text``."""
    found = getattr(type(whole(module)), "input_modalities", "text")
    return (found,) if isinstance(found, str) else tuple(found)


def feeder(path: Path, module: Any, tokenizer: Any) -> Any:
    """The tokenizer of a model that only reads; for one that sees or hears, a ``Processor`` from the files in ``path``.

    Raises ``InputError`` where these are missing or damaged, ``ResourceError`` where a package is.
    """
    sense = next((sense for sense in senses(module) if sense in _LOADERS), None)
    return tokenizer if sense is None else Processor(tokenizer, load_reader(path, sense))


def load_reader(path: Path, sense: str) -> Any:
    """The image processor (``sense`` is image) or feature extractor (audio) in a folder."""
    if not any((path / file).exists() for file in FILES):
        raise InputError(Problem(f"There is no {FILES[0]} beside the weights", "Copy it from where they come from", str(path)))
    try:
        return _LOADERS[sense](path)
    except ImportError as error:
        raise ResourceError(
            "The model's image processor needs the package pillow", remedy="Run: pip install 'tunesmith[images]'"
        ) from error
    except Exception as error:  # what a damaged file raises depends on the library that reads it
        reason = str(error).strip().partition("\n")[0]
        raise InputError(Problem(f"{FILES[0]} cannot be used ({reason})", "Copy it again", str(path))) from error


def _images(path: Path) -> Any:
    """The image processor that works on pillow's images: torchvision may be there or not, pixels are the same."""
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(path, backend="pil", local_files_only=True, trust_remote_code=False)


def _sound(path: Path) -> Any:
    from transformers import AutoFeatureExtractor

    return AutoFeatureExtractor.from_pretrained(path, local_files_only=True, trust_remote_code=False)


_LOADERS = {"image": _images, "audio": _sound}
