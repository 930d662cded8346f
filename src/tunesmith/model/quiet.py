"""Silence while libraries load and save: what matters of their talk is said by tunesmith, in one line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from logging import ERROR, getLogger

# A mask is left out where it would change nothing: of padding behind what a decoder reads, and of sound.
_MASKLESS = ("passing in an `attention_mask`", "attention mask is not set")
for _name in ("transformers.modeling_utils", "transformers.generation.utils"):
    getLogger(_name).addFilter(lambda said: not any(words in said.getMessage() for words in _MASKLESS))
getLogger("bitsandbytes").setLevel(ERROR)  # where it is installed peft imports it, and it misses kernels of the hub


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars, no log lines, no warnings of transformers, peft and the hub; errors are raised as ever."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    level, bars, hub_bars = logging.get_verbosity(), logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    disable_progress_bars()
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):  # the GGUF reader draws a bar that nothing switches off
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        if hub_bars:
            enable_progress_bars()
