"""Prompt tuning: vectors before the text, and nothing else, learn."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForImageClassification

import tiny
from training import TRAINING, tiny_fit, weights
from tunesmith.core.errors import InputError
from tunesmith.core.strategy import Strategy
from tunesmith.data.encode import Encoded
from tunesmith.engine.loop import fit
from tunesmith.model.build import build_for
from tunesmith.model.decoding import Decoding
from tunesmith.model.generate import generate
from tunesmith.model.soft_prompts import encoder_of, words_of
from tunesmith.strategies.prefix import Prefix
from tunesmith.strategies.prompt import Prompt
from tunesmith.tasks.causal_language_modelling import CausalLanguageModelling
from tunesmith.tasks.chat import Chat
from tunesmith.tasks.multiple_choice import MultipleChoice
from tunesmith.tasks.sequence_to_sequence import SequenceToSequence

IDS = torch.tensor([[2, 10, 11, 3]])


def test_the_model_reads_the_vectors_before_the_text() -> None:
    torch.manual_seed(0)
    model = tiny.bert().eval()
    table = model.get_input_embeddings().weight.detach().clone()
    adapted = Prompt(tokens=3).adapt(model).eval()
    with torch.no_grad():
        prompt = adapted.prompt_encoder["default"].embedding.weight
        given = torch.cat([prompt, table[IDS[0]]])[None]
        ours = adapted(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits
        torch.testing.assert_close(ours, adapted.base_model(inputs_embeds=given).logits)


@pytest.mark.parametrize("start", ["words", "random"])
def test_it_starts_as_words_or_at_random(start: str) -> None:
    run = tiny_fit(None, [Prompt(tokens=3, start=start)], steps=1, learning_rate=1e-30).run
    prompt, table = encoder_of(run.model).embedding.weight, run.model.get_input_embeddings().weight
    expected = table[words_of(run, 3)]
    assert torch.allclose(prompt, expected, atol=1e-6) == (start == "words")


def test_both_halves_of_an_encoder_decoder_start_as_words(tmp_path: Path) -> None:
    task, rows = SequenceToSequence.example()
    task.learn(rows)
    model = build_for(task, str(tiny.folder(tmp_path, "t5")))
    encoded = Encoded([task.encode([task.read(row) for row in rows], model.tokenizer)])
    run = fit(model, task, encoded, [Prompt(tokens=2)], replace(TRAINING, steps=1, learning_rate=1e-30), None, []).run
    prompt = encoder_of(run.model).embedding.weight
    torch.testing.assert_close(prompt[:2], prompt[2:])
    torch.testing.assert_close(prompt[:2], run.model.get_input_embeddings().weight[words_of(run, 2)])


def test_the_vectors_and_the_head_learn_and_the_base_does_not() -> None:
    before, after = weights(tiny_fit(None, [Prompt(tokens=2)], steps=1, learning_rate=1e-30)), weights(tiny_fit(None, [Prompt(tokens=2)]))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert any("prompt_encoder" in name for name in changed)
    assert any("classifier" in name for name in changed)
    assert all("prompt_encoder" in name or "modules_to_save" in name for name in changed)


def test_a_text_too_long_for_the_vectors_is_told() -> None:
    with pytest.raises(InputError, match=r"70 learned tokens and \d+ of the longest text are more than 72 positions"):
        tiny_fit(None, [Prompt(tokens=70)])
    with pytest.raises(InputError, match=r"more than 72 positions\. Give fewer tokens"):
        tiny_fit(None, [Prompt(tokens=80)])


@pytest.mark.parametrize("strategy", [Prompt(tokens=3), Prefix(tokens=3)])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_what_is_written_behind_learned_tokens_does_not_depend_on_the_batch(family: str, strategy: Strategy) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny.configs[family]()).eval()
    for weight in model.parameters():
        weight.data.mul_(5)  # so that answers differ
    adapted = strategy.adapt(model).eval()
    encoder_of(adapted).embedding.weight.data.normal_()
    prompts, decoding = [[10, 11, 12], [13, 14, 15, 16, 17, 18, 19], [20, 21, 22, 23]], Decoding(max_new_tokens=8)
    alone = [generate(adapted, tiny.tokenizer(), [prompt], decoding)[0] for prompt in prompts]
    assert generate(adapted, tiny.tokenizer(), prompts, decoding) == alone
    with pytest.raises(InputError, match="the model takes 69"):
        generate(adapted, tiny.tokenizer(), [[10] * 69], decoding)


@pytest.mark.parametrize("kind", [CausalLanguageModelling, Chat])
def test_texts_that_share_a_row_of_the_batch_are_refused(kind: Any, tmp_path: Path) -> None:
    for pack, expected in (
        (None, pytest.raises(InputError, match="several texts share one")),
        (False, nullcontext()),
    ):
        task = kind(max_length=40, pack=pack)
        model = build_for(task, str(tiny.folder(tmp_path / str(pack), "llama")))
        texts = ["a good film " * size for size in (1, 1, 7)]
        rows = task.encode([task.read({"text": text, "prompt": text, "completion": "yes"}) for text in texts], model.tokenizer)
        with expected:
            fit(model, task, Encoded([rows]), [Prompt(tokens=2)], replace(TRAINING, steps=1), None, [])


def test_where_no_setting_says_so_texts_no_longer_share_a_row(tmp_path: Path) -> None:
    task, rows = MultipleChoice.example()
    task.learn(rows)
    model = build_for(task, str(tiny.folder(tmp_path, "llama")))
    assert task.packed
    encoded = Encoded([task.encode([task.read(row) for row in rows], model.tokenizer)])
    fit(model, task, encoded, [Prompt(tokens=2)], replace(TRAINING, steps=1), None, [])
    assert not task.packed


def test_a_family_that_cannot_is_refused() -> None:
    vision = AutoModelForImageClassification.from_config(tiny.configs["vit"]())
    with pytest.raises(InputError, match="learned tokens cannot be put before the text of ViTForImageClassification"):
        Prompt(tokens=2).adapt(vision)
