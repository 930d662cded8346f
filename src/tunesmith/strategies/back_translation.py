"""Back-translation: rows are seen translated into another language and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run
from tunesmith.core.setting import Named, setting
from tunesmith.data.rewording import Rewording, Writer, check_prompt, is_wide, prompt_ids
from tunesmith.model.build import Model
from tunesmith.model.decoding import Decoding
from tunesmith.model.tokenizer import load_tokenizer
from tunesmith.model.translation import NAMED, check_languages, translates_many, two_languages
from tunesmith.model.writer import Author, Relay

WIDE = {"zh", "zho", "cmn", "yue", "ja", "jpn"}  # languages that are written without blanks
LONGEST = 3.0  # tokens for each token of the text: how much languages differ in length, and more


@dataclass
class BackTranslation(Rewording):
    """Gives the model a share of the rows translated into another language and back; labels stay.

    Formula: x' ~ p_back(. | y), y ~ p_there(. | x), tokens drawn at a temperature from the likeliest that are top_p together; a row with
    n such texts is met as it was, or as one of them, with probability 1 / (n + 1) each.
    Use when: there are fewer than some thousand rows, and models translate from their language and into it; the words change and the
    meaning mostly stays, also where one word decides the label.
    Cost: each text is written twice, once for all epochs and runs, before training and in its memory; then time and memory x1.
    Source: Sennrich et al. 2016, "Improving Neural Machine Translation Models with Monolingual Data", section 3; for classification: Xie
    et al. 2020, "Unsupervised Data Augmentation for Consistency Training", section 2.2.
    Differs: the new texts have the labels of their rows, where the paper asks the model to be consistent; what a tokenizer took from a
    text, case above all, the translation has not seen. Of text and translation neither is looked at but for length and script.
    """

    there: Named = setting("", "the model that translates the texts into another language: a folder, a hub id or a run")
    back: Named = setting("", "the model that translates what it wrote back: a folder, a hub id or a run")
    languages: list[str] = setting(factory=list, text=f"for models of many languages: that of the texts and another, {NAMED}")
    prompt_there: str = setting(
        "{text}", "what the first is given: translate English to German: {text} for T5, >>cmn_Hans<< {text} for a Marian with several goals"
    )
    prompt_back: str = setting("{text}", "what the second is given")

    all_tokens: ClassVar[bool] = True

    @classmethod
    def example(cls) -> BackTranslation:
        return cls(there="Helsinki-NLP/opus-mt-en-de", back="Helsinki-NLP/opus-mt-de-en")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prompt(self.prompt_there, "back_translation.prompt_there")
        check_prompt(self.prompt_back, "back_translation.prompt_back")
        if self.share and not (self.there and self.back):
            remedy = "Write back_translation: {there: Helsinki-NLP/opus-mt-en-de, back: Helsinki-NLP/opus-mt-de-en}"
            raise InputError(Problem(f"back_translation: no model translates {'back' if self.there else 'there'}", remedy))
        if self.languages and (len(self.languages) != 2 or len(set(self.languages)) != 2):
            remedy = "Write that of the texts, and another: languages: [eng_Latn, fra_Latn]"
            raise InputError(Problem(f"back_translation.languages names {', '.join(self.languages)}", remedy))

    def writer(self, run: Run, texts: Sequence[str]) -> Writer:
        loaded: dict[str, Model] = {}
        authors = [self._author(run, way, prompt, loaded) for way, prompt in (("there", self.prompt_there), ("back", self.prompt_back))]
        if self.languages and not any(author.told for author in authors):
            message = "back_translation.languages is for models of many languages, and these translate between two"
            raise InputError(Problem(message, "Take it out"))
        (source, other), (back, home) = (author.told or two_languages(author.source) for author in authors)
        for one, two, said in ((other, back, "there writes {} and back reads {}"), (source, home, "there reads {} and back writes {}")):
            if len(one) == len(two) and one != two:  # a code of two letters and one of three may be the same language
                raise InputError(Problem(f"back_translation: {said.format(one, two)}", "Name two models for the same two languages"))
        if source and (source.partition("_")[0] in WIDE) is not (sum(map(is_wide, texts)) > len(texts) / 2):
            raise InputError(Problem(f"back_translation: there reads {source}, and most texts are not in it", "Name a model for them"))
        return Relay(authors)

    def _author(self, run: Run, way: str, prompt: str, loaded: dict[str, Model]) -> Author:
        decoding = Decoding(temperature=self.temperature, top_p=self.top_p)
        spec: str = getattr(self, way)
        author = Author(spec, f"back_translation: {way}", partial(prompt_ids, prompt), decoding, LONGEST, run, loaded=loaded)
        if author.form != "encoder_decoder" and prompt == "{text}":
            message = f"back_translation: {spec} is a decoder, and is not told to translate"
            raise InputError(Problem(message, f"Say so: prompt_{way}: 'Translate to German: {{text}}'"))
        if translates_many(author.source):
            author.told = tuple(self.languages if way == "there" else reversed(self.languages))
            if not author.told:
                remedy = "Write languages: that of the texts, and another, [eng_Latn, fra_Latn] for NLLB"
                raise InputError(Problem(f"{author.role}: {spec} translates many languages, and is not told which", remedy))
            check_languages(load_tokenizer(author.source.path), spec, author.told, author.role)
        return author
