"""Models of the Hugging Face hub, as folders in the cache of huggingface_hub."""

from __future__ import annotations

from pathlib import Path

from tunesmith.core.errors import InputError, Problem, ResourceError
from tunesmith.core.words import Say
from tunesmith.model.quiet import quiet

_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "README.md"]  # no pickle is ever fetched
_BELOW = ["*/*"]  # other formats of the same model


def snapshot(spec: str, say: Say | None, instead: str) -> Path:
    """The folder of ``org/name`` or ``org/name@revision``, fetched where it is not there or not up to date.

    ``instead`` is the remedy when the hub does not have it. Raises ``InputError`` for that, ``ResourceError`` where the hub cannot be
    reached and the model is not in the cache.
    """
    from huggingface_hub import errors, snapshot_download, try_to_load_from_cache

    name, _, revision = spec.partition("@")
    try:
        if say and not try_to_load_from_cache(name, "config.json", revision=revision or None):
            say(f"Fetching {spec} from the Hugging Face hub.")
        with quiet():
            folder = Path(snapshot_download(name, revision=revision or None, allow_patterns=_FILES, ignore_patterns=_BELOW))
    except errors.LocalEntryNotFoundError as error:
        raise ResourceError(Problem(f"There is no folder '{spec}' here, and the Hugging Face hub cannot be reached", instead)) from error
    except errors.GatedRepoError as error:
        remedy = f"Accept its terms on https://huggingface.co/{name}, then run: hf auth login"
        raise InputError(Problem(f"The hub gives '{name}' only to people who accepted its terms", remedy)) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise InputError(Problem(f"Neither a folder here nor the hub has '{spec}'", instead)) from error
    except OSError as error:
        raise ResourceError(Problem(f"'{spec}' cannot be fetched from the hub ({error})", "Try again, or name a folder")) from error
    if not any(folder.glob("*.safetensors")):
        remedy = "Ask its author for safetensors, or have them made at https://huggingface.co/spaces/safetensors/convert"
        raise InputError(Problem(f"The hub has no safetensors weights of '{spec}'", remedy))
    return folder
