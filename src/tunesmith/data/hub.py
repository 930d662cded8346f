"""Data sets of the Hugging Face hub, through the optional package ``datasets``."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pyarrow as pa

from tunesmith.core.errors import InputError, Problem, ResourceError

PATIENCE = 5.0  # seconds in which the hub must have answered at all; its own client tries again and again for half a minute
HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:/([\w.-]+))?")  # org/name:config/split


def load_hub(spec: str) -> pa.Table:
    """The rows of ``org/name``, ``org/name:config`` or ``org/name:config/split``; the split is ``train`` where none is given.

    Raises ``ResourceError`` where ``datasets`` is not installed or the hub cannot be reached, ``InputError`` for a name that is not there.
    """
    found = HUB_ID.fullmatch(spec)
    assert found is not None  # the caller has looked
    name, config, split = found.groups()
    try:
        import datasets
    except ImportError as error:
        message = f"'{spec}' is no file here, and the package datasets, which reads the Hugging Face hub, is not installed"
        raise ResourceError(message, remedy="Correct the path, or run: pip install 'tunesmith[hub]'") from error
    datasets.disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    there = reachable()
    try:
        with asking(there):
            return dataset_table(datasets.load_dataset(name, config, split=split or "train"))
    except (datasets.exceptions.DatasetNotFoundError, ValueError) as error:
        if not there:
            raise _unreachable(spec) from error
        raise InputError(
            Problem(f"'{spec}' is no file here and cannot be had from the hub: {error}", "Write org/name:config/split")
        ) from error
    except OSError as error:
        raise _unreachable(spec) from error


def _unreachable(spec: str) -> ResourceError:
    message = f"'{spec}' is no file here, and the Hugging Face hub cannot be reached"
    return ResourceError(message, remedy="Correct the path, or connect to the network and try again")


def reachable() -> bool:
    """Whether the hub answers, whatever it says."""
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return False
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=PATIENCE):
            return True
    except HTTPError:
        return True
    except URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # its client may know other certificates
    except OSError:
        return False


@contextmanager
def asking(hub: bool) -> Iterator[None]:
    """Within, ``datasets`` asks the hub, or looks at once into its cache alone."""
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if not hub:
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


def dataset_table(dataset: Any) -> pa.Table:
    """A ``datasets.Dataset`` as an Arrow table, with class numbers replaced by their names."""
    table = dataset.with_format("arrow")[:]
    for position, (name, feature) in enumerate(dataset.features.items()):
        if names := getattr(feature, "names", None):
            classes = [names[number] if number is not None and number >= 0 else None for number in table.column(name).to_pylist()]
            table = table.set_column(position, name, pa.array(classes, pa.large_string()))
    return table
