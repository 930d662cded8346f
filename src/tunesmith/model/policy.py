"""Learning from rewards: answers that a model writes, how much better each is than others, and the step that makes it likelier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import generate, texts
from tunesmith.model.labelled import IGNORED, labelled_logits
from tunesmith.model.token_loss import token_losses

Texts = Sequence[str]
SHOWN = 80  # characters of an answer that is shown
_TINY = 1e-4  # added to a standard deviation, as in trl


def answers(
    forward: Forward, tokenizer: Any, questions: Sequence[Sequence[int]], group: int, decoding: Decoding, greedy: bool
) -> tuple[list[list[list[int]]], list[list[str]]]:
    """``group`` answers to each question, each drawn with random numbers of its own: token ids, and texts.

    Where ``greedy`` is wanted, the text of the likeliest answer stands behind the others of its question.
    """
    asked = [question for question in questions for _ in range(group)]
    with forward.precision():
        found = generate(forward.module, tokenizer, asked, decoding)
        best = generate(forward.module, tokenizer, questions, Decoding(decoding.max_new_tokens)) if greedy else []
    drawn = [ids or [tokenizer.pad_token_id] for ids in found]  # what was drawn where nothing else is left
    said, likeliest = ([text.strip() for text in texts(tokenizer, ids)] if ids else [] for ids in (drawn, best))
    groups = [slice(number * group, (number + 1) * group) for number in range(len(questions))]
    return [drawn[part] for part in groups], [said[part] + likeliest[number : number + 1] for number, part in enumerate(groups)]


def judged(judge: Callable[[Texts, Texts, Texts], list[float]], said: Sequence[Texts], questions: Texts, references: Texts) -> Tensor:
    """What answers are worth to ``judge``, which gets texts, what each answers, and its reference: in the shape of ``said``."""
    of = [number for number, texts in enumerate(said) for _ in texts]
    answered = [text for texts in said for text in texts]
    values = judge(answered, [questions[number] for number in of], [references[number].strip() for number in of])
    return torch.tensor(values).view(len(said), -1)


def rise(rewards: Sequence[float]) -> str:
    """The mean reward of the first tenth of the steps beside that of the last."""
    tenth = max(1, len(rewards) // 10)
    before, after = (sum(part) / tenth for part in (rewards[:tenth], rewards[-tenth:]))
    return f"the reward was {before:.3f} in the first tenth of the steps and {after:.3f} in the last, on training rows"


def best_and_worst(said: Texts, rewards: Sequence[float]) -> str:
    """The answers with the highest and the lowest reward, in words for the user."""
    places = (pick(range(len(said)), key=rewards.__getitem__) for pick in (max, min))
    return " and ".join(f"'{shorten(said[place], SHOWN)}' gets {rewards[place]:.2f}" for place in dict.fromkeys(places))


def group_relative(rewards: Tensor, greedy: Tensor) -> Tensor:
    """How many standard deviations each reward is above the mean of its group: (questions, group).

    Source: Shao et al. 2024, "DeepSeekMath", arXiv:2402.03300, section 4.1.2.
    """
    return (rewards - rewards.mean(dim=1, keepdim=True)) / (rewards.std(dim=1, keepdim=True) + _TINY)


def leave_one_out(rewards: Tensor, greedy: Tensor) -> Tensor:
    """How much higher each reward is than the mean of the others of its group: (questions, group).

    Source: Ahmadian et al. 2024, "Back to Basics", arXiv:2402.14740, section 3.2.
    """
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return rewards - others


def self_critical(rewards: Tensor, greedy: Tensor) -> Tensor:
    """How much higher each reward is than that of the likeliest answer, ``greedy`` (questions,): (questions, group).

    Source: Rennie et al. 2017, "Self-critical Sequence Training for Image Captioning", arXiv:1612.00563, equation 8.
    """
    return rewards - greedy[:, None]


# by name: advantages (questions, group) from rewards (questions, group) and those of the greedy answers (questions,)
BASELINES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "group": group_relative,
    "leave_one_out": leave_one_out,
    "greedy": self_critical,
}


def compared(rewards: Tensor, group: int, baseline: str) -> tuple[Tensor, Tensor]:
    """Advantages (questions, group), and whether those of a question are all 0, (questions,): then nothing is learned from it.

    ``rewards`` (questions, group) are those of drawn answers; where there is one more, it is that of the greedy answer.
    """
    drawn = rewards[:, :group]
    advantages = BASELINES[baseline](drawn, rewards[:, -1])
    flat = (rewards == rewards[:, :1]).all(dim=1)
    return advantages.masked_fill(flat[:, None], 0.0), flat


def learned_tokens(batch: Batch) -> list[list[int]]:
    """The tokens that each text of a batch, one a row, is to learn."""
    return [row[row != IGNORED].tolist() for row in batch.targets["labels"].cpu()]


def policy_loss(batch: Batch, forward: Forward, advantages: Tensor, base: Forward | None, kl: float, temperature: float) -> Loss:
    """-advantage * log p of all tokens that were written, and as the part ``kl`` what p is worth keeping near the base.

    ``advantages`` (texts,) are those of the rows of the batch, each of which holds one text. KL(p || p0) is estimated at each token by
    p0 / p - 1 - log(p0 / p), which is never negative (Schulman 2020, "Approximating KL divergence", k3). Tokens were drawn at
    ``temperature``, so it is that policy which is meant.
    """
    logits, tokens = labelled_logits(batch, forward)
    owners = (batch.targets["labels"] != IGNORED).nonzero()[:, 0].to(forward.device)
    losses = token_losses(logits / temperature if temperature != 1 else logits, tokens)
    loss = Loss((advantages.to(losses)[owners] * losses).sum(), len(tokens))
    if base is None:
        return loss
    with torch.no_grad():
        before = token_losses(labelled_logits(batch, base)[0] / temperature, tokens)
    gap = losses - before  # log p0 - log p
    return loss.plus("kl", kl * (gap.exp() - 1 - gap).sum())
