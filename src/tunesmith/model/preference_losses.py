"""Losses of pairs of answers of which one was preferred, from how likely a model finds each of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.run import Run
from tunesmith.model.domains import judging
from tunesmith.model.labelled import labelled_losses


def answer_scores(batch: Batch, forward: Forward, per_token: bool) -> Tensor:
    """log P of the answers of each pair, chosen and rejected, (pairs, 2) in float32; the mean over their tokens where ``per_token``.

    ``batch.targets`` holds ``labels`` and ``owners`` as ``data.branches.pad_ends`` makes them of pairs.
    """
    losses, _ = labelled_losses(batch, forward)
    owners = batch.targets["owners"].to(losses.device)
    answers = int(owners[-1]) + 1
    sums = losses.new_zeros(answers).index_add(0, owners, -losses)
    return (sums / torch.bincount(owners, minlength=answers) if per_token else sums).view(-1, 2)


def preference_losses(batch: Batch, forward: Forward, name: str, beta: float, margin: float) -> Tensor:
    """The losses of the pairs of a batch, (pairs,), by the name of the loss.

    ``batch.targets["before"]`` (pairs,) are their gaps before training, NaN where they are not known: then ``InputError`` is raised.
    """
    before = batch.targets["before"].to(forward.device)
    if name in BESIDE_BASE and before.isnan().any():
        message = f"{name} compares pairs with what the base said of them, and a strategy changes pairs or adds some"
        raise InputError(Problem(message, "Take it out of strategies, or set task.loss: simpo or orpo"))
    return PREFERENCE_LOSSES[name](answer_scores(batch, forward, name not in SUMMED), before, beta, margin)


@torch.no_grad()
def gaps_now(batch: Batch, run: Run, per_token: bool) -> list[float]:
    """The gaps of a batch of pairs by the model of a run as it is now, without dropout."""
    with judging(run.model):
        return gaps(answer_scores(batch.to(run.device), run.forward, per_token)).tolist()


def gaps(scores: Tensor) -> Tensor:
    """How much more likely the chosen answer is than the rejected one, (pairs,), from ``scores`` (pairs, 2)."""
    return scores[:, 0] - scores[:, 1]


def dpo(scores: Tensor, reference: Tensor, beta: float, margin: float) -> Tensor:
    """-log sigmoid(beta (g - g0)), g the gap of the log-likelihoods, g0 that of the model before tuning: (pairs,).

    Source: Rafailov et al. 2023, "Direct Preference Optimization", arXiv:2305.18290, equation 7.
    """
    return -F.logsigmoid(beta * (gaps(scores) - reference))


def ipo(scores: Tensor, reference: Tensor, beta: float, margin: float) -> Tensor:
    """(g - g0 - 1 / (2 beta))^2, of log-likelihoods per token: (pairs,).

    Source: Azar et al. 2023, "A General Theoretical Paradigm to Understand Learning from Human Preferences", arXiv:2310.12036, equation 17.
    """
    return (gaps(scores) - reference - 1 / (2 * beta)).square()


def orpo(scores: Tensor, reference: Tensor, beta: float, margin: float) -> Tensor:
    """-log P(chosen) - beta log sigmoid(log odds(chosen) - log odds(rejected)), P the likelihood per token, odds P / (1 - P): (pairs,).

    Source: Hong et al. 2024, "ORPO: Monolithic Preference Optimization without Reference Model", arXiv:2403.07691, equations 6 and 7.
    """
    odds = scores - torch.log(-torch.expm1(scores.clamp(max=-1e-6)))
    return -scores[:, 0] - beta * F.logsigmoid(gaps(odds))


def simpo(scores: Tensor, reference: Tensor, beta: float, margin: float) -> Tensor:
    """-log sigmoid(beta g - margin), g the gap of the log-likelihoods per token: (pairs,).

    Source: Meng et al. 2024, "SimPO: Simple Preference Optimization with a Reference-Free Reward", arXiv:2405.14734, equation 6.
    """
    return -F.logsigmoid(beta * gaps(scores) - margin)


# by name: losses of pairs, from scores (pairs, 2), the gap of the model before tuning (pairs,), beta and margin
PREFERENCE_LOSSES: dict[str, Callable[[Tensor, Tensor, float, float], Tensor]] = {"dpo": dpo, "ipo": ipo, "orpo": orpo, "simpo": simpo}
BETAS = {"dpo": 0.1, "ipo": 0.1, "orpo": 0.1, "simpo": 2.0}  # of the papers
BESIDE_BASE = ("dpo", "ipo")  # those that read what the model before tuning says
SUMMED = ("dpo",)  # those that read the likelihood of whole answers, and not per token
