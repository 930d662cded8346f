"""Models that write a text for each text that they are given: one, or several of which each reads what the one before wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run, seed_of
from tunesmith.core.task import Head, Row
from tunesmith.model.body import body, recorded
from tunesmith.model.build import Model, build
from tunesmith.model.decoding import Decoding
from tunesmith.model.domains import judging, pooled
from tunesmith.model.files import CONFIG, read_json
from tunesmith.model.generate import generate, texts
from tunesmith.model.sources import ModelSource, resolve
from tunesmith.model.translation import tell

AUTO = {"encoder_decoder": "AutoModelForSeq2SeqLM", "decoder": "AutoModelForCausalLM", "chat": "AutoModelForCausalLM"}
STOP = {"encoder_decoder": (), "decoder": ("\n",), "chat": ()}  # form -> what ends a text beside its end token
QUOTES = ('""', "''", "“”", "‘’", "「」", "«»")
BATCH = 64  # rows that are compared at once

Ask = Callable[[Any, str, Sequence[str], int], list[list[int]]]  # tokenizer, form, texts, limit -> what the model is given


@dataclass
class Author:
    """A model that writes.

    ``spec``      what names it; ``role`` what messages call it: the strategy and its setting
    ``ask``       makes of texts what the model is given: token ids, at most so many
    ``decoding``  how its texts are drawn; ``max_new_tokens`` and ``seed`` are not read
    ``stretch``   the tokens that it may write for each token of a text
    ``told``      from which language to which, for a model that translates many
    ``loaded``    the models that other authors have loaded, by what names them

    Raises ``InputError`` for a model that writes none, which its configuration tells. The weights are loaded when they are needed.
    """

    spec: str
    role: str
    ask: Ask
    decoding: Decoding
    stretch: float
    run: Run
    told: tuple[str, ...] = ()
    loaded: dict[str, Model] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = resolve(self.spec, self.run.say)
        self.form = form_of(self.source, self.role)

    @property
    def key(self) -> str:
        """What decides what it writes, beside what it is given."""
        folders = [path for path in (self.source.path, self.source.adapter) if path is not None]
        files = [file for path in folders for file in (sorted(path.iterdir()) if path.is_dir() else [path]) if file.is_file()]
        return json.dumps(
            [self.form, self.stretch, self.told, *((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)]
        )

    def write(self, given: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """A text for each, in their order; empty where it came to no end. Random numbers are those of each text's seed."""
        model = self._loaded()
        tokenizer = model.tokenizer
        room = tokenizer.model_max_length if self.form == "encoder_decoder" else tokenizer.model_max_length // 2
        prompts = self.ask(tokenizer, self.form, given, room)
        coded = tokenizer(list(given), add_special_tokens=False, verbose=False)["input_ids"]
        limits = [int(self.stretch * len(ids)) + 8 for ids in coded]
        decoding = replace(self.decoding, max_new_tokens=max(limits), stop=STOP[self.form])
        answers = generate(model.module, tokenizer, prompts, decoding, list(seeds))
        ended = [ids if len(ids) < limit else [] for ids, limit in zip(answers, limits, strict=True)]
        return [bare(text) for text in texts(tokenizer, ended, decoding.stop)]

    def _loaded(self) -> Model:
        if self.spec not in self.loaded:
            with torch.random.fork_rng():
                model = build(self.spec, Head(AUTO[self.form], {}), self.run.say)
            if model.fresh:
                message = f"{self.role}: {self.spec} has no head that writes ({model.fresh[0]} would be new)"
                raise InputError(Problem(message, "Name a model that was trained to write"))
            model.module.to(self.run.device)
            self.loaded[self.spec] = model
        model = self.loaded[self.spec]
        self.form = "chat" if self.form == "decoder" and model.tokenizer.chat_template else self.form
        tell(model.module, model.tokenizer, self.told)
        return model


@dataclass(frozen=True)
class Relay:
    """Authors of which the first is given texts, and each other what the one before it wrote."""

    authors: Sequence[Author]

    @property
    def key(self) -> str:
        return json.dumps([author.key for author in self.authors])

    @property
    def name(self) -> str:
        return " and ".join(dict.fromkeys(author.source.name for author in self.authors))

    def write(self, given: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """A text for each, in their order; empty where one of the authors came to no end."""
        written = list(given)
        for number, author in enumerate(self.authors):
            left = [place for place, text in enumerate(written) if text]
            found = author.write([written[place] for place in left], [seed_of(number, seeds[place]) for place in left]) if left else []
            for place, text in zip(left, found, strict=True):
                written[place] = text
        return written

    def likeness(self, run: Run, rows: Sequence[Row], others: Sequence[Row]) -> list[float]:
        """The cosine of each encoded row and its other, by the mean of the last hidden states of the run's model as it is now."""
        part = body(run.model)
        if part is None:
            raise InputError(Problem("keep: the model has no body below its head, whose states could be compared", "Take keep out"))
        found: list[float] = []
        with torch.no_grad(), judging(run.model):
            for start in range(0, len(rows), BATCH):
                batches = [run.task.collate(some[start : start + BATCH], run.tokenizer).to(run.device) for some in (rows, others)]
                with recorded(part) as outputs:
                    for batch in batches:
                        run.forward(batch)
                one, other = (pooled(part, output, batch.inputs) for output, batch in zip(outputs, batches, strict=True))
                found += F.cosine_similarity(one, other, dim=1).tolist()
        return found


def form_of(source: ModelSource, role: str) -> str:
    """``encoder_decoder`` or ``decoder``, by a model's configuration alone. Raises ``InputError`` for one that writes no texts."""
    from transformers.models.auto import modeling_auto as known

    family = "" if source.gguf else read_json(source.path / CONFIG).get("model_type", "")
    if source.parts or family in known.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "encoder_decoder"
    decodes = family in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and family not in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if source.gguf or decodes:
        return "decoder"
    raise InputError(Problem(f"{role}: {source.spec} is a {family} model, which writes no texts", "Name a decoder or an encoder-decoder"))


def bare(text: str) -> str:
    """A text without blanks and quotation marks around it."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] + text[-1] in QUOTES
    return text[1:-1].strip() if quoted else text
