"""Schemes: which one it is, what may follow what, entities as tags, and the likeliest sequence that is allowed."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from tunesmith.core.task import RowError
from tunesmith.data.tagging import (
    allowed,
    check,
    entities_of,
    entity_tags,
    follows,
    inside_of,
    kind_in,
    labels_of,
    likeliest,
    same_names,
    scheme_of,
)
from tunesmith.data.tokens import parted


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O B-X I-X", "O"], "bio"),
        (["B-X B-X"], "bio"),
        (["O I-X B-X O"], "io"),  # B only between neighbours of one type
        (["I-X O"], "io"),
        (["B-X E-X", "S-Y"], "bioes"),
        (["U-X O"], "bioes"),
        (["NOUN VERB"], "none"),
        (["O B-X", "NOUN"], "none"),
        (["O O"], "none"),
    ],
)
def test_the_scheme_is_seen(tags: list[str], scheme: str) -> None:
    assert scheme_of([one.split() for one in tags]) == scheme


@pytest.mark.parametrize("odd", [["o", "b-per"], ["0", "1"], ["", "O"]])
def test_a_few_sentences_that_are_written_otherwise_do_not_decide(odd: list[str]) -> None:
    assert scheme_of([["O", "B-PER"]] * 2 + [["O", "O"]] * 9 + [odd]) == "bio"
    assert scheme_of([["O", "B-PER"], ["O", "O"], odd, [*odd, "NOUN"]]) == "none"
    assert labels_of(["O", "B-PER", *odd], "bio") == ["O", "B-PER", "I-PER"]


def test_labels_are_completed() -> None:
    assert labels_of(["B-Y", "O", "I-X"], "bio") == ["O", "B-X", "I-X", "B-Y", "I-Y"]
    assert labels_of(["S-X"], "bioes") == ["O", "B-X", "I-X", "E-X", "S-X"]
    assert labels_of(["I-X", "I-Y", "B-Y"], "io") == ["O", "I-X", "B-Y", "I-Y"]
    assert labels_of(["VERB", "NOUN"], "none") == ["NOUN", "VERB"]
    assert [same_names(tag) for tag in ("U-X", "L-X", "M-X", "B-X-Y", "NOUN", "O")] == ["S-X", "E-X", "I-X", "B-X-Y", "NOUN", "O"]
    assert inside_of(["O", "B-X", "I-X", "B-Y"]) == [0, 2, 2, 3]


def test_what_may_follow() -> None:
    assert follows("B-X", "I-X", "bio")
    assert not follows("B-Y", "I-X", "bio")
    assert not follows("O", "I-X", "bio")
    assert not follows("B-X", "O", "bioes")
    assert not follows("S-X", "E-X", "bioes")
    assert follows("I-X", "E-X", "bioes")
    assert follows("O", "I-X", "io")


@pytest.mark.parametrize(
    ("tags", "scheme", "message"),
    [
        ("O I-X", "bio", "'I-X' at token 2 ('b') comes after 'O', which bio does not allow"),
        ("I-X I-X", "bio", "'I-X' at token 1 ('a') comes first, which bio does not allow"),
        ("B-X B-X", "bioes", "'B-X' at token 2 ('b') comes after 'B-X', which bioes does not allow"),
        ("O B-X", "bioes", "the end of the sentence comes after 'B-X', which bioes does not allow"),
    ],
)
def test_a_sequence_of_no_scheme(tags: str, scheme: str, message: str) -> None:
    with pytest.raises(RowError) as error:
        check(tags.split(), ["a", "b"], scheme)
    assert error.value.message == message
    assert "task.scheme: io" in error.value.remedy
    check(tags.split(), ["a", "b"], "io")


def test_entities_become_tags() -> None:
    text = " Ada Lovelace, 5kg"
    entities = entities_of(
        [{"start": 15, "end": 16, "label": "N"}, [1, 14, "PER"], {"begin": 16, "stop": 18, "type": "UNIT", "text": "kg"}], text
    )
    assert entities[0] == (1, 14, "PER")
    tokens = parted(text, "words")
    assert entity_tags(tokens, entities, "bio") == ["B-PER", "I-PER", "I-PER", "B-N", "B-UNIT"]
    assert entity_tags(tokens, entities, "bioes") == ["B-PER", "I-PER", "E-PER", "S-N", "S-UNIT"]
    assert entity_tags(tokens, entities, "io") == ["I-PER", "I-PER", "I-PER", "I-N", "I-UNIT"]
    with pytest.raises(RowError, match="two entities share the token '5kg'"):
        entity_tags(parted(text, "blanks"), entities, "bio")


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ([[0, 9, "X"]], "is not inside the text, which has 8 characters"),
        ([[-1, 2, "X"]], "is not inside the text"),
        ([[2, 2, "X"]], "is not inside the text"),
        ([[3, 4, "X"]], "is blank"),
        ([[0, 3, "X"], [2, 5, "Y"]], "X 'one' and Y 'e t' overlap"),
        ([{"start": 0, "end": 3}], "is not whole"),
        ([{"start": "a", "end": 3, "label": "X"}], "is not whole"),
        ([["X"]], "is not whole"),
        ([{"start": 0, "end": 3, "label": "X", "text": "two"}], "characters 0 to 3 are 'one', and the entity says 'two'"),
    ],
)
def test_entities_that_cannot_be(entities: list[Any], message: str) -> None:
    with pytest.raises(RowError) as error:
        entities_of(entities, "one two.")
    assert message in error.value.message
    assert error.value.remedy
    assert "\n" not in error.value.message


@pytest.mark.parametrize("scheme", ["bio", "bioes", "none"])
def test_the_likeliest_sequence_is_the_best_of_all_that_are_allowed(scheme: str) -> None:
    labels = labels_of(["B-X", "B-Y"], "bioes" if scheme == "bioes" else "bio")
    scores = np.random.default_rng(0).normal(size=(3, len(labels)))
    found = likeliest(scores, allowed(labels, scheme))

    def fits(path: tuple[int, ...]) -> bool:
        names = ["O", *(labels[tag] for tag in path), "O"]
        return all(follows(one, other, scheme) for one, other in pairwise(names))

    paths = [path for path in product(range(len(labels)), repeat=3) if fits(path)]
    best = max(paths, key=lambda path: sum(scores[place, tag] for place, tag in enumerate(path)))
    assert tuple(found) == best


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ("B-PER", "PER"),
        ("U-PER", "PER"),
        (" O ", "O"),
        ("NN", "NN"),
        (3, "3"),
        ({"start": 0, "type": "LOC"}, "LOC"),
        ([0, 2, "ORG"], "ORG"),
        ([], ""),
    ],
)
def test_what_a_tag_or_an_entity_says_that_it_is(item: object, kind: str) -> None:
    assert kind_in(item) == kind
