"""Models from ``.gguf`` files: quantised weights made floating-point again, in a module like any other."""

from __future__ import annotations

from typing import Any

import torch

_TRACES = {"quantization_config", "_model_name_or_path", "architectures"}


def trainable(loaded: Any) -> Any:
    """A plain model with the weights of one that transformers read from a ``.gguf`` file.

    What was read there counts as quantised for good, and refuses to be saved, although its weights are floating-point numbers.
    The tensors move over, they are not copied.
    """
    config = type(loaded.config)(**{key: value for key, value in loaded.config.to_dict().items() if key not in _TRACES})
    with torch.random.fork_rng(devices=[]):  # the plain model draws weights that are replaced at once
        plain = type(loaded)(config)
    plain.load_state_dict(loaded.state_dict(), assign=True)
    plain.tie_weights()
    return plain.eval()
