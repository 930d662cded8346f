"""Paraphrase: rows are seen in other words, which a language model writes when it is asked to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run
from tunesmith.core.setting import Named, setting
from tunesmith.data.rewording import Rewording, Writer, check_prompt, is_wide, prompt_ids
from tunesmith.model.decoding import Decoding
from tunesmith.model.writer import Author, Relay

# form of the model -> what it is asked, of texts with blanks and of Chinese ones
PROMPTS = {
    "encoder_decoder": ("paraphrase: {text}", "paraphrase: {text}"),
    "decoder": ("Text: {text}\nThe same in other words:", "原文：{text}\n换一种说法："),
    "chat": (
        "Say this in other words. Keep its meaning, its tone and its language, and write nothing else.\n\n{text}",
        "请换一种说法改写下面的话，意思、语气和语言都不变，只写改写后的话。\n\n{text}",
    ),
}


@dataclass
class Paraphrase(Rewording):
    """Gives the model a share of the rows in other words, which a language model is asked for; labels stay.

    Formula: x' ~ p(. | prompt(x)), tokens drawn at a temperature from the likeliest that are top_p together; a row with n such texts is
    met as it was, or as one of them, with probability 1 / (n + 1) each.
    Use when: there are fewer than some thousand rows, and a chat model that knows their language well; small ones change the meaning, so
    look at the examples, and let keep leave out what went astray.
    Cost: each text is written once for all epochs and runs, before training and in its memory; then time and memory x1.
    Source: Dai et al. 2023, "AugGPT: Leveraging ChatGPT for Text Data Augmentation", arXiv:2302.13007, section 4.
    Differs: any model that writes; it is asked for one text at a time, and is not told the label. What a tokenizer took from a text, case
    above all, the model has not seen.
    """

    model: Named = setting("", "the model that writes, a chat model at best: a folder, a hub id, a run or a sample")
    prompt: str = setting("", "what it is asked, with {text} in it; when not said: the usual for a model of its kind")

    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> Paraphrase:
        return cls(model="sample:smollm2")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prompt:
            check_prompt(self.prompt, "paraphrase.prompt")
        if self.share and not self.model:
            raise InputError(Problem("paraphrase: no model is named that writes", "Write paraphrase: {model: sample:smollm2}"))

    def writer(self, run: Run, texts: Sequence[str]) -> Writer:
        def ask(tokenizer: Any, form: str, texts: Sequence[str], limit: int) -> list[list[int]]:
            prompts = [self.prompt or PROMPTS[form][is_wide(text)] for text in texts]
            return [prompt_ids(prompt, tokenizer, form, [text], limit)[0] for prompt, text in zip(prompts, texts, strict=True)]

        decoding = Decoding(temperature=self.temperature, top_p=self.top_p)
        return Relay([Author(self.model, "paraphrase: model", ask, decoding, max(2.0, self.stretch), run)])
