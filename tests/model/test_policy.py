"""Advantages by hand; the loss of a policy as its formula says, and its gradient as that of the expected reward."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

import tiny
from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.data.packing import pack
from tunesmith.model.decoding import Decoding
from tunesmith.model.policy import (
    BASELINES,
    answers,
    best_and_worst,
    compared,
    group_relative,
    judged,
    learned_tokens,
    leave_one_out,
    policy_loss,
    self_critical,
)

REWARDS = torch.tensor([[1.0, 0.0, 0.5], [0.2, 0.2, 0.8]])
GREEDY = torch.tensor([0.5, 0.2])


def made(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return transformers.LlamaForCausalLM(tiny.configs["llama"](initializer_range=0.3)).eval()


def written(question: list[int], *answers: list[int]) -> Batch:
    texts = [[*question, *answer[:-1]] for answer in answers]
    packed = pack(texts, [[-100] * (len(question) - 1) + answer for answer in answers], 0, None)
    return Batch(packed.inputs, {"labels": packed.labels}, torch.zeros(len(answers), dtype=torch.int64), 0)


def test_advantages_by_hand() -> None:
    torch.testing.assert_close(group_relative(REWARDS, GREEDY)[0], torch.tensor([0.5, -0.5, 0.0]) / (0.5 + 1e-4))
    torch.testing.assert_close(leave_one_out(REWARDS, GREEDY)[0], torch.tensor([1.0 - 0.25, 0.0 - 0.75, 0.5 - 0.5]))
    torch.testing.assert_close(self_critical(REWARDS, GREEDY)[1], torch.tensor([0.0, 0.0, 0.6]))
    for name in ("group", "leave_one_out"):
        torch.testing.assert_close(BASELINES[name](REWARDS, GREEDY).sum(dim=1), torch.zeros(2))


def test_where_all_answers_get_the_same_nothing_is_learned() -> None:
    rewards = torch.tensor([[0.1, 0.1, 0.1], [0.1, 0.2, 0.1]])  # the mean of three tenths is not a tenth, in float32
    advantages, flat = compared(rewards, 3, "leave_one_out")
    assert flat.tolist() == [True, False]
    assert advantages[0].tolist() == [0.0] * 3
    advantages, flat = compared(torch.cat([rewards, torch.tensor([[0.3], [0.1]])], dim=1), 3, "greedy")
    assert flat.tolist() == [False, False], "the greedy answer got more"
    torch.testing.assert_close(advantages[0], torch.full((3,), -0.2))


def test_answers_are_judged_with_their_questions_and_references() -> None:
    seen = []

    def judge(texts: Any, questions: Any, references: Any) -> list[float]:
        seen.extend(zip(texts, questions, references, strict=True))
        return [float(len(text)) for text in texts]

    assert judged(judge, [["a", "bb"], ["ccc", "d"]], ["q", "r"], [" x ", "y"]).tolist() == [[1.0, 2.0], [3.0, 1.0]]
    assert seen == [("a", "q", "x"), ("bb", "q", "x"), ("ccc", "r", "y"), ("d", "r", "y")]
    assert best_and_worst(["a", "bb", "c"], [0.5, 0.25, 0.75]) == "'c' gets 0.75 and 'bb' gets 0.25"
    assert best_and_worst(["a", "b"], [0.5, 0.5]) == "'a' gets 0.50"


def test_answers_are_drawn_apart_and_the_same_again() -> None:
    forward, tokenizer, questions = Forward(made()), tiny.tokenizer(), [[tiny.CLS, 9, 10], [tiny.CLS, 11]]
    decoding = Decoding(5, temperature=1.0, seed=7)
    ids, texts = answers(forward, tokenizer, questions, 3, decoding, greedy=True)
    assert [len(of) for of in ids] == [3, 3]
    assert [len(of) for of in texts] == [4, 4]
    assert len({tuple(answer) for answer in ids[0]}) > 1
    assert answers(forward, tokenizer, questions, 3, decoding, greedy=True) == (ids, texts)
    assert answers(forward, tokenizer, questions, 3, decoding, greedy=False)[1] == [of[:3] for of in texts]


def test_the_loss_is_what_the_formula_says() -> None:
    module, base, question = made(), made(1), [tiny.CLS, 9, 10]
    given = [[20, 21, tiny.SEP], [22, tiny.SEP]]
    batch, advantages = written(question, *given), torch.tensor([0.5, -1.0])
    assert learned_tokens(batch) == given
    with torch.no_grad():
        plain = policy_loss(batch, Forward(module), advantages, None, 0.1, 1.0)
        loss = policy_loss(batch, Forward(module), advantages, Forward(base), 0.1, 2.0)
        expected, near = {1.0: 0.0, 2.0: 0.0}, 0.0
        for answer, advantage in zip(given, advantages.tolist(), strict=True):
            logits, before = (m(torch.tensor([[*question, *answer[:-1]]])).logits[0, len(question) - 1 :] for m in (module, base))
            for place, token in enumerate(answer):
                for temperature in expected:
                    expected[temperature] -= advantage * float((logits[place] / temperature).log_softmax(-1)[token])
                ratio = float((before[place] / 2).log_softmax(-1)[token] - (logits[place] / 2).log_softmax(-1)[token])
                near += 0.1 * (torch.tensor(ratio).exp().item() - 1 - ratio)
    assert plain.count == loss.count == 5
    assert float(plain.sum) == pytest.approx(expected[1.0], rel=1e-4)
    assert float(loss.parts["kl"]) == pytest.approx(near, rel=1e-3)
    assert float(loss.sum) == pytest.approx(expected[2.0] + near, rel=1e-4)
    assert near > 0


def test_the_gradient_is_that_of_the_expected_reward() -> None:
    """Of answers of one token all can be counted: with each weighed by its probability, the expectation is exact."""
    module, question = made(), [tiny.CLS, 9, 10]
    vocabulary = module.config.vocab_size
    rewards = torch.rand(vocabulary, generator=torch.Generator().manual_seed(0))
    chances = module(torch.tensor([question])).logits[0, -1].softmax(-1)
    [wanted] = torch.autograd.grad(-(chances * rewards).sum(), [module.lm_head.weight])
    batch = written(question, *([token] for token in range(vocabulary)))
    loss = policy_loss(batch, Forward(module), chances.detach() * (rewards - rewards.mean()), None, 0.0, 1.0)
    [found] = torch.autograd.grad(loss.sum, [module.lm_head.weight])
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-3)
