"""Words changed at random in encoded rows: removed, swapped, replaced, inserted, mistyped. Labels of whole texts stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tunesmith.core.task import Row
from tunesmith.data.units import Unit, Units
from tunesmith.data.wordnet import synonyms

MARKS = (".", ";", "?", ":", "!", ",")  # Karimi et al. 2021, section 3
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
STOPPING = (
    "a an and are as at be but by for from had has have he her his i if in is it its me my no "
    "nor not of on or our she so that the their them they this to was we were what when which who will with you your"
)
STOP_WORDS = frozenset(STOPPING.split())
# A label may turn on these, so no operation touches them; of isn't there may be isn and t. In Chinese a word holds the character.
NEGATING = "no not nor never none nobody nothing nowhere neither cannot without hardly barely"
SHORTENED = "t n't isn aren wasn weren don doesn didn won wouldn can couldn shouldn hasn haven hadn"
NEGATIONS, NEGATION_CHARACTERS = frozenset(f"{NEGATING} {SHORTENED}".split()), frozenset("不没沒無无未非别別莫勿否")

Draw = np.random.Generator
Change = Callable[[list[Unit], list[int], float, "Rewriter", Draw], list[Unit]]


@dataclass(frozen=True)
class Rewriter:
    """Changes the words of encoded rows, one operation for each row.

    ``rate``   alpha, the share of the words that an operation changes, one at least
    ``limit``  positions that a row may have: what grows beyond it loses its last words
    """

    units: Units
    operations: tuple[str, ...]
    rate: float
    limit: int

    def __call__(self, row: Row, draw: Draw) -> Row:
        """The row after one of the operations; itself where it has no word that may change."""
        units = self.units.cut(row)
        free = [place for place, unit in enumerate(units) if not unit.fixed and not negates(self.units.word(unit))]
        if not free:
            return row
        changed = CHANGES[self.operations[draw.integers(len(self.operations))]](units, free, self.rate, self, draw)
        return self.units.joined(row, shortened(changed, self.limit))


def negates(word: str) -> bool:
    """Whether a word, in small letters, turns what others say into its opposite."""
    return word in NEGATIONS or not NEGATION_CHARACTERS.isdisjoint(word)


def shortened(units: Sequence[Unit], limit: int) -> list[Unit]:
    """The units without the last words that are too many for ``limit`` positions; special tokens stay."""
    left, over = list(units), sum(len(unit.ids) for unit in units) - limit
    for place in range(len(left) - 1, -1, -1):
        if over <= 0:
            break
        if not left[place].fixed:
            over -= len(left.pop(place).ids)
    return left


def deleted(units: list[Unit], free: list[int], rate: float, rewriter: Rewriter, draw: Draw) -> list[Unit]:
    """Each word is left out with probability ``rate``; of each text one word stays, of one word all."""
    gone = {place for place in free if draw.random() < rate}
    for part in {units[place].part for place in gone}:
        of_part = [place for place in free if units[place].part == part]
        if gone.issuperset(of_part):
            gone.discard(of_part[draw.integers(len(of_part))])
    return [unit for place, unit in enumerate(units) if place not in gone]


def swapped(units: list[Unit], free: list[int], rate: float, rewriter: Rewriter, draw: Draw) -> list[Unit]:
    """Two words of one text change places, so often as ``rate`` of the words are."""
    changed = list(units)
    for _ in range(number(rate, free)):
        one = free[draw.integers(len(free))]
        others = [place for place in free if place != one and units[place].part == units[one].part]
        if others:
            other = others[draw.integers(len(others))]
            changed[one], changed[other] = changed[other], changed[one]
    return changed


def synonymous(units: list[Unit], free: list[int], rate: float, rewriter: Rewriter, draw: Draw) -> list[Unit]:
    """Words are replaced by synonyms; stop words stay."""
    return replaced(units, free, rate, rewriter, draw, synonym)


def mistyped(units: list[Unit], free: list[int], rate: float, rewriter: Rewriter, draw: Draw) -> list[Unit]:
    """Words get a slip of the finger: a letter left out, doubled, changed with its neighbour, or that of the key beside it."""
    return replaced(units, free, rate, rewriter, draw, slip)


def inserted(units: list[Unit], free: list[int], rate: float, rewriter: Rewriter, draw: Draw) -> list[Unit]:
    """Synonyms of words of a text are put in anywhere."""
    changed = list(units)
    for place in draw.permutation(free)[: number(rate, free)].tolist():
        found = written(units[place], rewriter, draw, synonym)
        places = [other for other, unit in enumerate(changed) if not unit.fixed and unit.part == units[place].part]
        if found is not None:
            changed.insert(places[draw.integers(len(places))], found)
    return changed


def punctuated(units: list[Unit], free: list[int], rate: float, rewriter: Rewriter, draw: Draw) -> list[Unit]:
    """Marks are put between words, one to a third of the number of words of them; they are of no length in meaning."""
    changed = list(units)
    for place in sorted(draw.permutation(free)[: 1 + int(draw.integers(max(1, len(free) // 3)))].tolist(), reverse=True):
        mark = rewriter.units.ids(MARKS[draw.integers(len(MARKS))])
        changed.insert(place, replace(units[place], ids=mark, fixed=True))
    return changed


CHANGES: dict[str, Change] = {
    "delete": deleted,
    "swap": swapped,
    "synonym": synonymous,
    "insert": inserted,
    "punctuate": punctuated,
    "typo": mistyped,
}


def number(rate: float, free: Sequence[int]) -> int:
    """How many words an operation changes: one at least."""
    return max(1, int(rate * len(free)))


def replaced(
    units: list[Unit], free: list[int], rate: float, rewriter: Rewriter, draw: Draw, other: Callable[[str, Draw], str]
) -> list[Unit]:
    """The units where as many words as ``rate`` says, of those for which ``other`` has another, are written as that says."""
    changed, left = list(units), number(rate, free)
    for place in draw.permutation(free).tolist():
        found = written(units[place], rewriter, draw, other)
        if found is not None:
            changed[place], left = found, left - 1
        if not left:
            break
    return changed


def written(unit: Unit, rewriter: Rewriter, draw: Draw, other: Callable[[str, Draw], str]) -> Unit | None:
    """The unit with another word in its place, None where there is none."""
    word = rewriter.units.text(unit.ids)
    found = other(word, draw)
    ids = rewriter.units.encoded(found, unit.ids) if found and found != word else None
    return None if not ids else replace(unit, ids=ids)


def slip(word: str, draw: Draw) -> str:
    """A word of Latin letters with a slip of the finger; empty for other words, and for those of fewer than three letters."""
    if len(word) < 3 or not word.isascii() or not word.isalpha():
        return ""
    place = int(draw.integers(1, len(word) - 1))  # first letters are rarely missed
    kinds = (
        word[:place] + word[place + 1 :],
        word[:place] + word[place] + word[place:],
        word[: place - 1] + word[place] + word[place - 1] + word[place + 1 :],
        word[:place] + beside(word[place], draw) + word[place + 1 :],
    )
    return kinds[draw.integers(len(kinds))]


def beside(letter: str, draw: Draw) -> str:
    """The letter of a key beside that of ``letter`` on an English keyboard."""
    row = next(row for row in KEYBOARD if letter.lower() in row)
    place = row.index(letter.lower())
    near = [row[other] for other in (place - 1, place + 1) if 0 <= other < len(row)]
    found = near[draw.integers(len(near))]
    return found.upper() if letter.isupper() else found


def synonym(word: str, draw: Draw) -> str:
    """Another word of WordNet for ``word``, empty where there is none."""
    found = () if word.lower() in STOP_WORDS else synonyms().get(word.lower(), ())
    return found[draw.integers(len(found))] if found else ""
