"""Training texts in other words, which a model writes: what rows get some, what of it is left out, and where it is kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import compress, groupby
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, ClassVar, Protocol

import numpy as np

from tunesmith.core.errors import InputError, Problem, ResourceError
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import setting
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.core.task import Row
from tunesmith.data.changed import EXAMPLES
from tunesmith.data.encode import numbers_of
from tunesmith.data.prompting import Tokens, chatting, placeholders, plain, prompts
from tunesmith.data.text import encode_texts
from tunesmith.data.units import longest
from tunesmith.samples.fetch import cache

EDITION = 1  # raised when the same settings write other texts
FOLDER = "rewordings"  # of the cache folder
CHUNK = 64  # rows whose rewordings are one file
_WIDE = "[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"  # letters that no blanks part
_SIGN = "[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"  # these, and the punctuation that goes with them
_BLANKS = re.compile(rf"(?<={_SIGN})\s+|\s+(?={_SIGN})")
FORMS: Mapping[str, Callable[[Any], Tokens]] = {"encoder_decoder": partial(plain, ended=True), "decoder": plain, "chat": chatting}

Texts = list[str]  # of one row: one, or the two of a pair


@dataclass(frozen=True)
class New:
    """An encoded row, its texts, and others that are to stand for them."""

    row: Row
    before: Texts
    after: Texts


class Writer(Protocol):
    """What writes texts anew; ``key`` tells by what, down to the files of its models, and ``name`` says so to people."""

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...

    def write(self, texts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """A text for each, drawn with random numbers of its own seed; empty where none came to its end."""

    def likeness(self, run: Run, rows: Rows, others: Rows) -> list[float]:
        """The cosine of each row and its other, to the model of the run."""


@dataclass
class Rewording(Strategy, ABC):
    """Gives the model a share of the rows in other words, which a model writes before training; labels stay.

    Which rows they are, and what is drawn for each, are functions of seed and row. What is written is kept in the cache folder, a file
    for some rows, so that nothing is written twice: not in a later epoch, nor after a resume, nor in another run.
    """

    share: float = setting(
        0.5, "share of the rows that are written anew, 0 to 1; such a row is then met as it was or anew, drawn evenly", low=0, high=1
    )
    num_versions: int = setting(1, "texts that are written for each of these rows", low=1)
    temperature: float = setting(0.8, "0: the likeliest token; above: drawn from softmax(logits / temperature)", low=0)
    top_p: float = setting(0.9, "drawn: among the likeliest tokens that have this probability together", above=0, high=1)
    stretch: float = setting(2.0, "how many times longer or shorter than its text a new one may be; others are left out", above=1)
    keep: float = setting(
        0.0, "least cosine of a text and a new one, by the states of the model before tuning; those below are left out", low=0, high=1
    )

    needs: ClassVar[frozenset[str]] = frozenset({"labels of whole texts"})
    rewrites: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.num_versions > 1 and not self.temperature:
            message = f"{self.called}: at temperature 0 all versions of a text are the same"
            raise InputError(Problem(message, "Raise temperature, or leave num_versions at 1"))

    @property
    def called(self) -> str:
        """Its name in a recipe."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def writer(self, run: Run, texts: Sequence[str]) -> Writer:
        """What writes the texts of these rows anew. Raises ``InputError`` where it cannot."""

    def begin(self, run: Run) -> None:
        self._versions: dict[int, Rows] = {}
        if not self.share or not len(run.train):
            return
        cut = Cut(run.tokenizer, longest(run.train))
        numbers = enumerate(numbers_of(run.train, "row").tolist())
        drawn = [run.train[item] for item, row in numbers if seed_of(run.seed, self.called, "share", row) < self.share * 2**63]
        asked = [(row, texts) for row in drawn if (texts := cut.texts(row))]
        if not asked:
            run.say(f"{self.called}: none of the {len(run.train):,} rows is written anew")
            return
        writer = self.writer(run, [text for _, texts in asked for text in texts])
        run.say(f"{self.called}: {writer.name} writes {len(asked):,} of {len(run.train):,} rows anew")
        every = zip(asked, self._written(asked, writer, run), strict=True)
        found = [New(row, texts, after) for (row, texts), versions in every for after in versions]
        reasons = [refused(new.before, new.after, self.stretch) for new in found]
        kept, why = [new for new, reason in zip(found, reasons, strict=True) if not reason], Counter(filter(None, reasons))
        rows = [cut.encoded(new.row, new.after) for new in kept]
        if self.keep and kept:
            near = [cosine >= self.keep for cosine in writer.likeness(run, [new.row for new in kept], rows)]
            why += Counter({"unlike the text": near.count(False)})
            kept, rows = list(compress(kept, near)), list(compress(rows, near))
        self._changes = [(" | ".join(new.before), " | ".join(new.after)) for new in kept[:EXAMPLES]]
        for row in rows:
            self._versions.setdefault(row["row"], []).append(row)
        for line in told(len(found), why, kept):
            run.say(f"{self.called}: {line}")

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        for rows in batches:
            yield [self._met(row, run) for row in rows]

    def _met(self, row: Row, run: Run) -> Row:
        ways: Rows = [row, *self._versions.get(row["row"], ())]
        draw = np.random.default_rng(seed_of(run.seed, self.called, run.clock.step, row["row"]))
        return ways[int(draw.integers(len(ways)))]

    def _written(self, asked: Sequence[tuple[Row, Texts]], writer: Writer, run: Run) -> Iterator[list[Texts]]:
        """For each row what is written for it, each version once; it is read where it was written before."""
        settings = {name: value for name, value in self.settings().items() if name not in ("share", "keep", "stretch")}
        key = [EDITION, self.called, run.seed, settings, writer.key]
        starts = range(0, len(asked), CHUNK)
        for done, start in enumerate(starts, 1):
            chunk = [(row["row"], texts) for row, texts in asked[start : start + CHUNK]]
            name = hashlib.sha256(json.dumps([key, chunk]).encode()).hexdigest()[:32]
            for versions in kept_in(cache() / FOLDER / f"{name}.json", partial(self._made, chunk, writer, run.seed)):
                yield [new for place, new in enumerate(versions) if new not in versions[:place]]
            if 10 * done // len(starts) > 10 * (done - 1) // len(starts) and done < len(starts):
                run.say(f"{self.called}: {start + CHUNK:,} of {len(asked):,} rows are written")

    def _made(self, chunk: Sequence[tuple[int, Texts]], writer: Writer, seed: int) -> list[list[Texts]]:
        places = [(row, version, part) for row, texts in chunk for version in range(self.num_versions) for part in range(len(texts))]
        of_row = dict(chunk)
        new = iter(writer.write([of_row[row][part] for row, _, part in places], [seed_of(seed, self.called, *place) for place in places]))
        return [[[next(new) for _ in texts] for _ in range(self.num_versions)] for _, texts in chunk]


@dataclass(frozen=True)
class Cut:
    """The texts of encoded rows, and rows with other texts, of ``limit`` positions at most."""

    tokenizer: Any
    limit: int

    def texts(self, row: Row) -> Texts:
        """What a row says, its two texts where it is a pair; none where it says nothing, or more than two."""
        special = frozenset(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}
        parts = [list(part) for apart, part in groupby(row["input_ids"], special.__contains__) if not apart]
        said = self.tokenizer.batch_decode(parts, skip_special_tokens=True, clean_up_tokenization_spaces=True)
        found = [_BLANKS.sub("", text).strip() for text in said]
        return found if len(found) <= 2 and all(found) else []

    def encoded(self, row: Row, texts: Texts) -> Row:
        """The row with other texts; what is too long is cut."""
        return {**row, **encode_texts(texts[:1], texts[1:] or None, self.tokenizer, self.limit)[0]}


def check_prompt(prompt: str, key: str) -> None:
    """Raise ``InputError`` for a prompt without a place for the text, or with one for anything else."""
    if placeholders(prompt) != ["text"]:
        raise InputError(Problem(f"{key} '{prompt}' must have {{text}} in it, and nothing else in braces", "Correct it"))


def prompt_ids(prompt: str, tokenizer: Any, form: str, texts: Sequence[str], limit: int) -> list[list[int]]:
    """What a model of a form, a key of ``FORMS``, is given for texts: token ids, ``limit`` at most; a text that is too long is cut."""
    return prompts(prompt, [{"text": text} for text in texts], FORMS[form](tokenizer), limit)[0]


def refused(before: Texts, after: Texts, stretch: float) -> str:
    """Why texts cannot stand for others; empty where they can."""
    if all(map(same, before, after)):
        return "the same"
    found = [_unfit(one, other, stretch) for one, other in zip(before, after, strict=True)]
    return next(filter(None, found), "")


def _unfit(before: str, after: str, stretch: float) -> str:
    longer = size(after) / max(1, size(before))
    reasons = {
        "empty or without an end": not letters(after),
        "in another script": is_wide(before) != is_wide(after),
        "too long": longer > stretch,
        "too short": longer < 1 / stretch,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def letters(text: str) -> str:
    """The letters and digits of a text, without case."""
    return "".join(filter(str.isalnum, text.casefold()))


def same(one: str, other: str) -> bool:
    """Whether two texts say the same but for case, blanks and punctuation."""
    return letters(one) == letters(other)


def size(text: str) -> int:
    """The words of a text; Chinese and Japanese characters are words."""
    return len(re.findall(_WIDE, text)) + len(re.sub(_WIDE, " ", text).split())


def is_wide(text: str) -> bool:
    """Whether most words of a text are Chinese or Japanese characters."""
    return 2 * len(re.findall(_WIDE, text)) > size(text)


def told(written: int, why: Mapping[str, int], kept: Sequence[New]) -> Iterator[str]:
    """How many texts were kept of those that were written, why not the others, and some of them."""
    gone = ", ".join(f"{number:,} {reason}" for reason, number in why.items())
    yield f"{len(kept):,} of {written:,} are kept" + (f"; left out: {gone}" if gone else "")
    if not kept:
        yield "so it does nothing; look at the model and its prompt, or raise stretch"
    for new in kept[:EXAMPLES]:
        yield f"'{' | '.join(new.before)}' becomes '{' | '.join(new.after)}'"


def kept_in(file: Path, make: Callable[[], Any]) -> Any:
    """The JSON value in a file, which ``make`` gives where there is no file yet; of several processes all take what the first made.

    Raises ``ResourceError`` where the file cannot be written.
    """
    if not file.exists():
        made = make()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=file.parent, encoding="utf-8") as staged:
                json.dump(made, staged, ensure_ascii=False)
                staged.flush()
                os.fsync(staged.fileno())
                with suppress(FileExistsError):
                    os.link(staged.name, file)
        except OSError as error:
            remedy = "Make room there, or name another folder in the environment variable TUNESMITH_CACHE"
            raise ResourceError(Problem(f"it cannot be written ({error.strerror})", remedy, str(file))) from error
    return json.loads(file.read_text(encoding="utf-8"))
