"""Policy gradient: the model writes answers of its own, and those with the higher rewards become likelier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.run import Run, seed_of
from tunesmith.core.setting import Named, setting
from tunesmith.core.strategy import Rows, Strategy
from tunesmith.data.written import question_and_answer, with_answer
from tunesmith.metrics.rewards import TEXT_REWARDS, Judge, text_reward
from tunesmith.model.decoding import Decoding
from tunesmith.model.policy import BASELINES, answers, best_and_worst, compared, judged, learned_tokens, policy_loss, rise
from tunesmith.model.reward_model import RewardModel
from tunesmith.model.substitute import frozen_copy

TRIAL = 10  # steps after which rewards that never differed are told


@dataclass
class PolicyGradient(Strategy):
    """Lets the model write answers, and makes those likelier that get a higher reward than others to the same question.

    Formula: loss = -sum_i A_i log p(y_i | x) / tokens + kl * KL(p || p0), y_1..group ~ p(. | x), and A_i from the rewards r by baseline:
    group (r_i - mean r) / std r; leave_one_out r_i - mean of the other r; greedy r_i - r of the likeliest answer.
    Use when: whether an answer is good can be computed, or judged by a tuned model, and the model gets it right sometimes: where all
    answers to a question get one reward, nothing is learned from it. Tune on answers first.
    Cost: time: group answers are written for each row of each step; memory x1.25 (the base, unless kl is 0).
    Source: Shao et al. 2024, "DeepSeekMath", arXiv:2402.03300, section 4.1 (GRPO); Ahmadian et al. 2024, "Back to Basics",
    arXiv:2402.14740, section 3 (RLOO); Rennie et al. 2017, arXiv:1612.00563, equation 8 (self-critical).
    Differs: one update for each set of answers, so no ratio of policies is clipped; all tokens of a step weigh the same, as in Yu et al.
    2025, "DAPO", arXiv:2503.14476, section 3.3. Each process writes the answers of all.
    """

    reward: str = setting("rouge_l", "what is rewarded, beside the reference answer or not", choices=(*TEXT_REWARDS, "model"))
    pattern: str = setting("", "pattern: the regular expression that a good answer has somewhere")
    num_words: int = setting(20, "length: the number of words that a good answer has", low=1)
    model: Named = setting("", "model: the judge, a run of text_classification or ranking, a folder or a hub id")
    label: str = setting("", "model: the label whose probability is the reward; the second of two when not said")
    reads: str = setting("answer", "model: what it judges", choices=("answer", "question and answer"))
    baseline: str = setting("group", "what a reward is compared with", choices=tuple(BASELINES))
    group: int = setting(4, "answers that are written to each question", low=1)
    kl: float = setting(0.04, "weight of the distance from the model before training; 0 is none", low=0)
    temperature: float = setting(1.0, "answers are drawn from softmax(logits / temperature): higher means more different", above=0)
    max_new_tokens: int = setting(64, "longest answer in tokens", low=1)

    natural_rate: ClassVar[tuple[float, str] | None] = (1e-5, "Shao et al. 2024, section 4.2, take 1e-6 for 7 billion weights")
    needs: ClassVar[frozenset[str]] = frozenset({"writing"})
    rewrites: ClassVar[bool] = True
    all_tokens: ClassVar[bool] = True
    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
        **dict.fromkeys(("model", "label", "reads"), ("reward", ("model",))),
        **{name: ("reward", (of,)) for name, of in (("pattern", "pattern"), ("num_words", "length"))},
    }

    @classmethod
    def example(cls) -> PolicyGradient:
        return cls(reward="length", num_words=2, group=3, max_new_tokens=4)

    def __post_init__(self) -> None:
        if self.group < 2 and self.baseline != "greedy":
            raise InputError(Problem(f"policy_gradient: a group of {self.group} has no others to compare with", "Set group to 2 or more"))
        if self.reward in ("model", "pattern") and not getattr(self, self.reward):
            raise InputError(Problem(f"policy_gradient: no {self.reward} is named", f"Write {self.reward}: ... beside reward"))
        try:
            self._of_text: Judge | None = None if self.reward == "model" else text_reward(self.reward, self.pattern, self.num_words)
        except ValueError as error:
            raise InputError(Problem(f"policy_gradient: the pattern cannot be read: {error}", "Correct it")) from None

    def begin(self, run: Run) -> None:
        self.groups, self.flat, self.rewards = 0, 0, list[float]()  # questions, those with equal answers, and means of steps so far
        self._advantages: dict[tuple[int, ...], float] = {}  # of this step, by row and answer
        run.task.unpack()
        self._judge: Judge = self._of_text or RewardModel(self.model, self.label, self.reads != "answer", run, "policy_gradient")
        self._base = Forward(frozen_copy(run.model, run.fixed), run.device, run.forward.dtype) if self.kl else None

    def feed(self, batches: Iterator[Rows], run: Run) -> Iterator[Rows]:
        for rows in batches:
            asked, learned = zip(*map(question_and_answer, rows), strict=True)
            how = Decoding(self.max_new_tokens, temperature=self.temperature, seed=seed_of(run.seed, "policy_gradient", run.clock.step))
            ids, said = answers(run.forward, run.tokenizer, asked, self.group, how, self.baseline == "greedy")
            rewards = judged(self._judge, said, *(run.tokenizer.batch_decode(of, skip_special_tokens=True) for of in (asked, learned)))
            advantages, flat = compared(rewards, self.group, self.baseline)
            self.rewards.append(float(rewards[:, : self.group].mean()))
            self._told = {"reward": self.rewards[-1], "no_spread": float(flat.float().mean())}
            self.groups, self.flat = self.groups + len(rows), self.flat + int(flat.sum())
            self._tell(said[0], rewards[0].tolist(), run)
            every = [(row, answer) for row, of_row in zip(rows, ids, strict=True) for answer in of_row]
            self._advantages = dict(zip(((row["row"], *answer) for row, answer in every), advantages.flatten().tolist(), strict=True))
            yield [with_answer(row, answer) for row, answer in every]

    def worth(self, answers: Sequence[str], questions: Sequence[str], references: Sequence[str]) -> list[float]:
        return self._judge(answers, questions, references)

    def _tell(self, said: Sequence[str], rewards: Sequence[float], run: Run) -> None:
        done, last = run.clock.step + 1, run.clock.total
        if done == 1:
            run.say(f"policy_gradient: of the first answers, {best_and_worst(said, rewards)}; are these the rewards that you want?")
        if self.flat == self.groups and done in (TRIAL, last):
            same = f"all answers to each of {self.groups:,} questions got the same reward ({self._told['reward']:.2f} now)"
            run.say(f"policy_gradient: NOTHING IS LEARNED: {same}; raise temperature or group, or take a reward that differs")
        elif done == last:
            flat = f"to {self.flat / self.groups:.0%} of the questions all answers got one reward, and taught nothing"
            run.say(f"policy_gradient: {rise(self.rewards)}; {flat}")

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        keys = [(row, *ids) for row, ids in zip(batch.rows.tolist(), learned_tokens(batch), strict=True)]
        if not self._advantages.keys() >= set(keys):
            message = "policy_gradient: a strategy adds or changes rows behind it, to which the model wrote no answers"
            raise InputError(Problem(message, "Name policy_gradient before it, or take it out"))
        loss = policy_loss(batch, forward, torch.tensor([self._advantages[key] for key in keys]), self._base, self.kl, self.temperature)
        return replace(loss, parts={**loss.parts, **{name: torch.tensor(value * loss.count) for name, value in self._told.items()}})
