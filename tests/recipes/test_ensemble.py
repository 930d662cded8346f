"""The key ``ensemble``: what is wrong in it has its place."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.recipes.document import Document
from tunesmith.recipes.ensemble import Seeds, seeds_of


def test_it_is_read_with_its_defaults_or_is_not_there() -> None:
    assert seeds_of(Document({})) is None
    assert seeds_of(Document({"ensemble": {}})) == Seeds(3, "average")
    assert seeds_of(Document({"ensemble": {"seeds": 5, "how": "vote"}})) == Seeds(5, "vote")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"ensemble": {"seeds": 1}}, "ensemble.seeds must be at least 2"),
        ({"ensemble": {"seed": 4}}, "no setting 'seed' in ensemble"),
        ({"ensemble": {"how": "avarage"}}, "ensemble.how must be"),
        ({"ensemble": {}, "search": {}}, "search and ensemble exclude each other"),
    ],
)
def test_what_is_wrong_is_refused(value: dict[str, Any], message: str) -> None:
    document = Document(value)
    seeds_of(document)
    assert message in document.problems[0].message
