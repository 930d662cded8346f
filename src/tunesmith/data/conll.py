"""Sentences with a tag for each token, as CoNLL writes them: a token a line, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import BufferedReader

from tunesmith.core.errors import InputError
from tunesmith.data.collect import Collector
from tunesmith.data.lines import lines

BLANK = re.compile("[ \t]+")
DOCUMENT = "-DOCSTART-"  # the token that begins a document in CoNLL 2003
LONG = 80  # tokens from which a file without an empty line is more than one sentence
UNIVERSAL = ("id", "tokens", "lemmas", "upos", "xpos", "features", "heads", "relations", "dependencies", "notes")  # columns of CoNLL-U

Line = tuple[int, list[str]]  # number and cells


def read_conll(stream: BufferedReader, collector: Collector) -> None:
    """Each sentence is a row, at its first line: ``tokens``, the first column, and ``tags``, the last; ``column_2`` and so on are between.

    Columns are parted by a tab or by blanks. Lines before a sentence that begin with ``#`` and have not as many columns are comments. A
    sentence with a line of more or fewer columns is left out. Raises ``InputError`` for a long file without an empty line.
    """
    _sentences(stream, collector, lambda width: ["tokens", *(f"column_{place}" for place in range(2, width)), "tags"][:width])


def read_conllu(stream: BufferedReader, collector: Collector) -> None:
    """Each sentence of a CoNLL-U file is a row: ``tokens``, ``lemmas``, ``upos`` and so on; parts and gaps of words are no tokens."""
    _sentences(stream, collector, lambda width: list(UNIVERSAL[:width]))


def _sentences(stream: BufferedReader, collector: Collector, names: Callable[[int], list[str]]) -> None:
    width, before, whole, parted = 0, 0, True, False
    sentence: list[Line] = []
    for number, line in lines(stream, collector):
        whole, before = whole and number == before + 1, number  # a line that is no text was told already
        text = line.strip("\r\n \t")
        cells = [cell.strip() for cell in text.split("\t")] if "\t" in text else BLANK.split(text)
        if not text:
            _add(sentence if whole else [], names(width), collector)
            sentence, whole, parted = [], True, True
        elif cells[0] == DOCUMENT or (text.startswith("#") and not sentence and len(cells) != width):
            continue
        elif len(cells) != (width := width or len(cells)):
            remedy = "Part columns by one tab or by blanks, and sentences by an empty line"
            collector.bad(
                f"the line has {len(cells)} column{'' if len(cells) == 1 else 's'}, and those before have {width}", remedy, number
            )
            sentence.append((number, []))
        else:
            sentence.append((number, cells))
    if not parted and len(sentence) >= LONG:
        message = f"no empty line parts sentences, so that all {len(sentence):,} tokens are one"
        raise InputError(collector.problem(message, "Write an empty line after each sentence", sentence[0][0]))
    _add(sentence if whole else [], names(width), collector)


def _add(sentence: Sequence[Line], names: Sequence[str], collector: Collector) -> None:
    """Keep a sentence whose lines are all whole, without what stands under no number of its own: ``3-4`` and ``8.1`` of CoNLL-U."""
    if not sentence or not all(cells for _, cells in sentence):
        return
    kept = [cells for _, cells in sentence if names[0] != UNIVERSAL[0] or cells[0].isdecimal()]
    if not kept:
        return
    columns = {name: list(column) for name, column in zip(names, zip(*kept, strict=True), strict=True) if name != UNIVERSAL[0]}
    collector.add(columns, sentence[0][0])
