"""A recipe that is trained several times, whose models become one."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.core.setting import setting
from tunesmith.recipes.document import Document
from tunesmith.recipes.validate import build

VOTE, AVERAGE, WEIGHTED, SOUP, GREEDY_SOUP = "vote", "average", "weighted", "soup", "greedy_soup"
WAYS = (VOTE, AVERAGE, WEIGHTED, SOUP, GREEDY_SOUP)
FITTED = (WEIGHTED, GREEDY_SOUP)  # ways that look at the validation rows
SOUPS = (SOUP, GREEDY_SOUP)  # ways that mix weights; the others ask every member


@dataclass
class Seeds:
    """Runs of one recipe that differ in their seed alone: their scores say how much is luck, and together they are better than each."""

    seeds: int = setting(3, "how often it is trained, with the seed of the recipe and those that follow it, on the same rows", low=2)
    how: str = setting(
        AVERAGE,
        "how the runs become one: by votes, the mean of their probabilities, the same by weights fitted to the validation rows, the mean "
        "of their weights, or of those that help on the validation rows",
        choices=WAYS,
    )


def seeds_of(document: Document) -> Seeds | None:
    """What stands under ``ensemble``, if anything. What is wrong is written into ``document``."""
    given = document.value.get("ensemble")
    if given is None:
        return None
    if document.value.get("search") is not None:
        document.refuse(("ensemble",), "search and ensemble exclude each other", "Search first, then train the best with several seeds")
    if document.value.get("tasks") is not None:
        remedy = "Train it with seed=1 data.split_seed=0, seed=2 data.split_seed=0 and so on: the scores of these runs say what is luck"
        document.refuse(("ensemble",), "ensemble is not read: the recipe has tasks, each with a model of its own", remedy)
    return build(Seeds, given, document, ("ensemble",))
