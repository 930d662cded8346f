"""Learned tokens: what they start as, and that the model reads them so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

import tiny
from training import TRAINING, learned, tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.run import Run
from tunesmith.core.strategy import Strategy
from tunesmith.core.task import Row, Task
from tunesmith.data.encode import Encoded
from tunesmith.engine.loop import fit
from tunesmith.model.adapters import wrap
from tunesmith.model.build import build_for
from tunesmith.model.labelled import labelled_logits
from tunesmith.model.soft_prompts import encoder_of, keys_and_values, kind_of, make, virtual_tokens, words_of
from tunesmith.strategies.p_tuning import PTuning
from tunesmith.strategies.prefix import Prefix
from tunesmith.strategies.prompt import Prompt
from tunesmith.tasks.extractive_qa import ExtractiveQa
from tunesmith.tasks.masked_language_modelling import MaskedLanguageModelling
from tunesmith.tasks.pattern_classification import PatternClassification
from tunesmith.tasks.sequence_to_sequence import SequenceToSequence
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.tasks.token_classification import TokenClassification


def classifier(family: str = "bert") -> nn.Module:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(tiny.configs[family](num_labels=3)).eval()


@pytest.mark.parametrize(("family", "kind"), [("bert", "SEQ_CLS"), ("gpt2", "SEQ_CLS")])
def test_what_a_model_is_for(family: str, kind: str) -> None:
    assert kind_of(classifier(family)) == kind
    assert kind_of(tiny.base(family)) == "FEATURE_EXTRACTION"
    assert kind_of(AutoModelForCausalLM.from_config(tiny.configs["gpt2"]())) == "CAUSAL_LM"
    assert kind_of(nn.Linear(1, 1)) is None


def test_tokens_start_as_what_all_rows_begin_with_and_words_of_theirs() -> None:
    run = tiny_fit(None, [Prompt(tokens=6)], steps=1).run
    first, *words = words_of(run, 6).tolist()
    seen = {token for item in run.train for token in item["input_ids"]}
    assert {first} == {item["input_ids"][0] for item in run.train}
    assert set(words) <= seen - set(run.tokenizer.all_special_ids)
    assert len(set(words)) > 1
    assert words_of(run, 6).tolist() == [first, *words]


def test_rows_that_begin_differently_say_nothing_of_the_first() -> None:
    run = tiny_fit(None, [Prompt(tokens=6)], steps=1).run
    run.train = [item | {"input_ids": item["input_ids"][1:], "length": item["length"] - 1} for item in run.train]
    assert len({item["input_ids"][0] for item in run.train}) > 1
    assert len(words_of(run, 6)) == 6
    run.train = [item | {"input_ids": run.tokenizer.all_special_ids[:1] * 3, "length": 3} for item in run.train]
    assert set(words_of(run, 6).tolist()) == {run.tokenizer.all_special_ids[0]}  # there is nothing else


@pytest.mark.parametrize("settings", [{}, {"encoder_reparameterization_type": "LSTM", "encoder_dropout": 0.0}])
def test_a_network_makes_given_vectors(settings: dict[str, Any]) -> None:
    from peft import PromptEncoderConfig

    model = classifier()
    encoder = encoder_of(wrap(model, PromptEncoderConfig(**virtual_tokens(model, 5), encoder_hidden_size=16, **settings)).eval())
    wanted = torch.randn(5, 32)
    make(encoder, wanted)
    with torch.no_grad():
        torch.testing.assert_close(encoder(torch.arange(5)), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gptneox"])
def test_a_decoder_reads_what_it_keeps_of_words_as_it_reads_the_words(family: str) -> None:
    from peft import PrefixTuningConfig

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny.configs[family]()).eval()
    words, text = torch.tensor([2, 9, 14]), torch.tensor([10, 11, 3])
    with torch.no_grad():
        expected = model(input_ids=torch.cat([words, text])[None]).logits[:, len(words) :]
        kept = keys_and_values(model, words)
        adapted = wrap(model, PrefixTuningConfig(**virtual_tokens(model, 3))).eval()
        encoder_of(adapted).embedding.weight.copy_(kept)
        torch.testing.assert_close(adapted(input_ids=text[None], attention_mask=torch.ones(1, 3)).logits, expected)


def begun(task: Task, rows: list[Row], source: str, strategy: Strategy) -> tuple[Run, Encoded]:
    """A run of one step."""
    learned_rows = learned(task, rows)
    model = build_for(task, source)
    data = Encoded([task.encode(learned_rows, model.tokenizer)])
    return fit(model, task, data, [strategy], replace(TRAINING, steps=1), None, []).run, data


@pytest.mark.parametrize("kind", [TokenClassification, ExtractiveQa])
@pytest.mark.parametrize("strategy", [Prompt(tokens=2), PTuning(tokens=2, width=8), Prefix(tokens=2)])
def test_answers_for_each_position_are_those_of_the_text(kind: type[Task], strategy: Strategy, tmp_path: Path) -> None:
    task, rows = kind.example()
    run, data = begun(task, rows, str(tiny.folder(tmp_path / "base", "bert")), strategy)
    batch = task.collate([data[0]], run.tokenizer)
    length = batch.inputs["input_ids"].shape[1]
    with torch.no_grad():
        output = run.forward(batch)
        values = {name: output[name] for name in output if name.endswith("logits")}
        assert values
        assert {value.shape[1] for value in values.values()} == {length}
        run.model.eval().save_pretrained(tmp_path / "tuned")
        again = build_for(task, str(tmp_path / "tuned")).module.eval()(**batch.inputs)
        expected = run.forward(batch)
    for name in values:
        torch.testing.assert_close(again[name], expected[name])


@pytest.mark.parametrize("kind", [MaskedLanguageModelling, PatternClassification])
@pytest.mark.parametrize("strategy", [Prompt(tokens=2), PTuning(tokens=2, width=8), Prefix(tokens=2)])
def test_masks_are_filled_behind_learned_tokens(kind: type[Task], strategy: Strategy, tmp_path: Path) -> None:
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(tiny.configs["bert"]()).save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    task, rows = kind.example()
    run, data = begun(task, rows, str(tmp_path / "base"), strategy)
    batch = task.collate([data[0], data[1]], run.tokenizer)
    run.model.eval().save_pretrained(tmp_path / "tuned")
    again = Forward(build_for(task, str(tmp_path / "tuned")).module.eval())
    with torch.no_grad():
        (expected, right), (found, _), (before, _) = (labelled_logits(batch, one) for one in (run.forward, again, without(run)))
    assert expected.shape == (len(right), len(tiny.VOCABULARY))
    torch.testing.assert_close(found, expected)
    assert float((before - expected).abs().max()) > 1e-4


def without(run: Run) -> Forward:
    """The model of a run without its learned tokens."""
    return replace(run.forward, module=run.model.get_base_model())  # type: ignore[operator]


@pytest.mark.parametrize("family", ["distilbert", "albert"])
def test_a_prefix_that_no_layer_would_attend_to_is_refused(family: str) -> None:
    with pytest.raises(InputError, match="attend to the keys and values of the text alone"):
        Prefix(start="random").adapt(tiny.base(family))


def test_a_prefix_has_the_layers_and_heads_of_the_decoder(tmp_path: Path) -> None:
    config = tiny.configs["t5"](num_layers=1, num_decoder_layers=3, num_heads=3, d_kv=8)  # 3 heads of 8 are not the width of 32
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    run, _ = begun(*SequenceToSequence.example(), str(tmp_path), Prefix(tokens=2))
    assert encoder_of(run.model).embedding.weight.shape == (2, 3 * 2 * 3 * 8)


def test_what_peft_cannot_do_with_a_family_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"prefix does not work with BartForSequenceClassification .*Use lora"):
        begun(*TextClassification.example(), str(tiny.folder(tmp_path, "bart")), Prefix(tokens=2))
