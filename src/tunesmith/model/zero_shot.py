"""Labels by what a pre-trained model says already: scores of their words, and what is to be taken off for the words themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def cloze_scores(logits: Tensor, words: Sequence[Sequence[int]]) -> Tensor:
    """The mean log-probability of the tokens of each word at masks: (rows, words).

    ``logits`` (masks, vocabulary) are those of the masks of each row in turn: for each number of tokens that a word has, the smallest
    first, as many masks. A word is read where there are as many masks as it has tokens.

    Source: Schick and Schütze 2021, arXiv:2001.07676, section 3.1 for words of one token, whose scores differ from the paper's by the
    same number for all; of several, the mean is taken so that long words are not at a disadvantage.
    """
    sizes = sorted({len(ids) for ids in words})
    chances = logits.log_softmax(dim=1).view(-1, sum(sizes), logits.shape[1])  # (rows, masks of a row, vocabulary)
    starts = {size: sum(sizes[:number]) for number, size in enumerate(sizes)}
    scores = []
    for ids in words:
        places = starts[len(ids)] + torch.arange(len(ids), device=logits.device)
        scores.append(chances[:, places, torch.tensor(ids, device=logits.device)].mean(dim=1))
    return torch.stack(scores, dim=1)


def content_free(scores: Tensor) -> Tensor:
    """What a model says of labels where there is nothing to say, as the mean of several such texts: log-probabilities (labels,).

    ``scores`` (texts, labels) are those of texts without content. Taken off other scores, they make these labels equally likely there.

    Source: Zhao et al. 2021, "Calibrate Before Use: Improving Few-Shot Performance of Language Models", arXiv:2102.09690, section 5.
    """
    return scores.softmax(dim=1).mean(dim=0).log()


def chances(scores: Tensor, prior: Tensor | None = None) -> Tensor:
    """The probabilities of labels, (rows, labels), by their scores, off which ``prior`` (labels,) is taken."""
    return (scores if prior is None else scores - prior.to(scores)).softmax(dim=1)


def entailing(labels: Mapping[Any, str]) -> int | None:
    """The number of the label that says that one text follows from another, of a model's ``id2label``; None where there is none."""
    found = [int(number) for number, name in labels.items() if name.lower().startswith("entail")]
    return found[0] if len(found) == 1 else None
