"""The settings of generation, which are the same for every model."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.setting import setting


@dataclass(frozen=True)
class Decoding:
    """How texts are written: greedily, the likeliest token each time, unless ``num_beams`` or ``temperature`` say otherwise.

    What the model's own ``generation_config.json`` says of decoding is not read: the same settings mean the same for every model.
    """

    max_new_tokens: int = setting(128, "longest text in tokens", low=1)
    num_beams: int = setting(1, "texts that are kept in a beam search; 1 is none", low=1)
    length_penalty: float = setting(1.0, "beams: the exponent of the length that scores are divided by; higher means longer")
    temperature: float = setting(0.0, "0: the likeliest token; above: drawn from softmax(logits / temperature)", low=0)
    top_k: int = setting(0, "drawn: among this many of the likeliest tokens; 0: among all", low=0)
    top_p: float = setting(1.0, "drawn: among the likeliest tokens that have this probability together", above=0, high=1)
    repetition_penalty: float = setting(1.0, "what the logits of written tokens are divided by, where positive; 1 changes nothing", above=0)
    no_repeat_ngram: int = setting(0, "length in tokens of what is never written twice; 0: nothing", low=0)
    stop: tuple[str, ...] = setting((), "texts before which the writing ends")
    seed: int = setting(0, "drawn: start of the random numbers", low=0)

    def __post_init__(self) -> None:
        if self.num_beams > 1 and self.temperature > 0:
            raise InputError(Problem("num_beams and temperature exclude each other", "Set temperature to 0, or num_beams to 1"))
        if self.num_beams == 1 and self.length_penalty != 1.0:
            raise InputError(Problem("length_penalty is read in a beam search alone", "Take it out, or set num_beams above 1"))


GREEDY = Decoding()
