"""Generation: answers do not depend on what is written beside them, and are those of transformers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import before, generate, replies, respond, texts, trimmed

PROMPTS = [[tiny.CLS, 9, 10, 11, 12, 13], [tiny.CLS, 20], [tiny.CLS, 31, 32, 33], [tiny.CLS, 40, 41, 9, 10, 11], [tiny.CLS, 7]]


def made(family: str, **config: Any) -> Any:
    torch.manual_seed(1)
    auto = transformers.AutoModelForSeq2SeqLM if family in ("t5", "bart", "marian") else transformers.AutoModelForCausalLM
    scale = {"t5": {}, "bart": {"init_std": 0.3}, "marian": {"init_std": 0.3}}.get(family, {"initializer_range": 0.3})
    return auto.from_config(tiny.configs[family](**scale, **config)).train()


@pytest.fixture(scope="module")
def gpt2() -> Any:
    return made("gpt2")


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5", "bart", "marian"])
def test_together_as_one_by_one(family: str) -> None:
    module, tokenizer = made(family), tiny.tokenizer()
    decoding = Decoding(max_new_tokens=6, repetition_penalty=1.3)
    together = generate(module, tokenizer, PROMPTS, decoding)
    assert together == [generate(module, tokenizer, [prompt], decoding)[0] for prompt in PROMPTS]
    assert len({tuple(answer) for answer in together}) > 1
    assert module.training


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("family", ["llama", "bart"])
def test_what_transformers_writes(family: str, num_beams: int) -> None:
    module, tokenizer = made(family).eval(), tiny.tokenizer()
    prompt = torch.tensor([PROMPTS[0]])
    penalty = {"length_penalty": 0.5} if num_beams > 1 else {}
    ours = generate(module, tokenizer, PROMPTS, Decoding(6, num_beams, **penalty))[0]
    module.generation_config.forced_eos_token_id = None  # at the longest length, which is a way of decoding
    asked = {"max_new_tokens": 6, "num_beams": num_beams, "do_sample": False, **penalty}
    theirs = module.generate(prompt, attention_mask=torch.ones_like(prompt), **asked)[0].tolist()
    start = 1 if family == "bart" else len(PROMPTS[0])
    assert ours == trimmed(theirs[start:], {tiny.SEP}, tiny.PAD)


def test_drawn_texts_do_not_depend_on_the_batch(gpt2: Any) -> None:
    tokenizer = tiny.tokenizer()
    decoding = Decoding(max_new_tokens=5, temperature=1.5, top_k=40, top_p=0.95, seed=3)
    together = generate(gpt2, tokenizer, PROMPTS, decoding)
    alone = [generate(gpt2, tokenizer, [prompt], decoding, rows=[row])[0] for row, prompt in enumerate(PROMPTS)]
    assert together == alone
    assert together == generate(gpt2, tokenizer, PROMPTS, decoding)
    assert together != generate(gpt2, tokenizer, PROMPTS, Decoding(max_new_tokens=5, temperature=1.5, seed=4))


def test_the_model_s_own_settings_are_not_read_and_stay(gpt2: Any) -> None:
    tokenizer = tiny.tokenizer()
    plain = generate(gpt2, tokenizer, PROMPTS[:1], Decoding(4))
    other = copy.deepcopy(gpt2)
    other.generation_config.update(do_sample=True, temperature=9.0, num_beams=4, max_length=3, no_repeat_ngram_size=1)
    assert generate(other, tokenizer, PROMPTS[:1], Decoding(4)) == plain
    assert other.generation_config.num_beams == 4


def test_answers_take_the_room_that_there_is(gpt2: Any) -> None:
    tokenizer = tiny.tokenizer()
    found = generate(gpt2, tokenizer, [[tiny.CLS] + [9] * 69, [tiny.CLS, 9]], Decoding(5))
    assert len(found[0]) <= 2  # of 72 positions
    with pytest.raises(InputError, match="leaves no room: the model takes 72"):
        generate(gpt2, tokenizer, [[9] * 72])


def test_batches_are_bounded(gpt2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def counting(module: Any, tokenizer: Any, inputs: Any, *rest: Any) -> list[list[int]]:
        seen.append(tuple(inputs["input_ids"].shape))
        return respond(module, tokenizer, inputs, *rest)

    monkeypatch.setattr("tunesmith.model.generate.respond", counting)
    assert len(generate(gpt2, tiny.tokenizer(), PROMPTS, Decoding(2), positions=20)) == len(PROMPTS)
    assert seen == [(2, 6), (3, 4)]


def test_a_stop_text_ends_an_answer(gpt2: Any) -> None:
    tokenizer = tiny.tokenizer()
    [whole] = generate(gpt2, tokenizer, PROMPTS[:1], Decoding(6))
    [said] = texts(tokenizer, [whole])
    word = said.split()[2]
    decoding = Decoding(6, stop=(word,))
    [stopped] = generate(gpt2, tokenizer, PROMPTS[:1], decoding)
    assert len(stopped) < len(whole)
    assert texts(tokenizer, [stopped], decoding.stop) == [before(said, [word])]


def test_replies_are_texts_by_the_place_of_what_is_asked(gpt2: Any) -> None:
    tokenizer = tiny.tokenizer()
    answers = texts(tokenizer, generate(gpt2, tokenizer, PROMPTS[:2], Decoding(3)))
    found = replies(Forward(gpt2), tokenizer, [[], PROMPTS[0], PROMPTS[1]], Decoding(3))
    assert found == {1: answers[0].strip(), 2: answers[1].strip()}
    assert replies(Forward(gpt2), tokenizer, [[], []]) == {}


def test_the_prompt_may_be_repeated(gpt2: Any) -> None:
    """What must not be written twice is counted in the answer alone."""
    tokenizer = tiny.tokenizer()
    [first] = generate(gpt2, tokenizer, PROMPTS[:1], Decoding(1))
    prompt = [*PROMPTS[0], *first, *PROMPTS[0]]
    asked = Decoding(4, no_repeat_ngram=1)
    [found] = generate(gpt2, tokenizer, [prompt], asked)
    assert len(set(found)) == len(found)


def test_texts_end_before_the_first_stop() -> None:
    assert before("one two three", ["three", "two"]) == "one "
    assert before("one", []) == "one"
    assert trimmed([5, 6, 3, 3], {3}, 3) == [5, 6, 3]
    assert trimmed([5, 0, 6, 0, 0], {3}, 0) == [5, 0, 6]
