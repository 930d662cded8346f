"""The language model of a run's model: its head from the folder or anew, tied, learning, and left out of what is saved."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file

import tiny
from tunesmith.core.clock import Clock
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.run import Run
from tunesmith.core.task import Head
from tunesmith.model.backbone import describe
from tunesmith.model.build import build
from tunesmith.model.language import PRETRAINING, language_of
from tunesmith.strategies.lora import LoRA

IDS = torch.tensor([[2, 9, 11, 12, 3], [2, 8, 7, 10, 3]])
ASKED = torch.tensor([[0, 1, 0, 1, 0], [0, 0, 1, 0, 0]]).bool()
ENCODERS = ["bert", "roberta", "distilbert", "electra", "albert", "deberta", "modernbert"]
DECODERS = ["gpt2", "gptneox", "llama", "qwen2"]


def run_of(model: torch.nn.Module) -> Run:
    task = SimpleNamespace()
    return Run(model, task, Forward(model), Clock(0, 4, 4), torch.device("cpu"), 0, lambda text: None, params=describe(model))


def classifier(family: str) -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(tiny.configs[family](num_labels=2)).eval()


@pytest.mark.parametrize("family", [*ENCODERS, *DECODERS])
def test_token_losses_are_those_of_the_whole_model_at_the_asked_positions(family: str) -> None:
    model = classifier(family)
    language = language_of(run_of(model))
    assert language.causal == (family in DECODERS)
    assert language.fresh
    logits = language.model.eval()(input_ids=IDS).logits[ASKED]
    ours = language.token_losses({"input_ids": IDS}, ASKED, IDS[ASKED])
    torch.testing.assert_close(ours, F.cross_entropy(logits, IDS[ASKED], reduction="none"), atol=1e-5, rtol=1e-4)
    ours.sum().backward()
    assert model.get_input_embeddings().weight.grad.abs().sum() > 0


@pytest.mark.parametrize("family", ["bert", "distilbert", "gptneox"])
def test_the_head_learns_with_the_model_and_is_not_saved(family: str, tmp_path: Path) -> None:
    model = classifier(family)
    run, names = run_of(model), set(model.state_dict())
    learning = set(run.learning())
    language_of(run).attach(run)
    added = set(run.learning()) - learning
    assert added
    assert all(name.startswith(PRETRAINING) and run.params[name].head and run.params[name].added for name in added)
    assert run.params.keys() == run.learning().keys()
    assert set(model.state_dict()) == names
    model.save_pretrained(tmp_path)
    _, info = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def test_the_output_matrix_is_that_of_the_embeddings() -> None:
    model = classifier("bert")
    assert language_of(run_of(model)).model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_a_head_that_is_in_the_folder_is_taken(tmp_path: Path) -> None:
    torch.manual_seed(3)
    pretrained = transformers.BertForMaskedLM(tiny.configs["bert"]()).eval()
    pretrained.save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    model = build(str(tmp_path), Head("AutoModelForSequenceClassification", {"num_labels": 2})).module
    language = language_of(run_of(model))
    assert not language.fresh
    expected = F.cross_entropy(pretrained(input_ids=IDS).logits[ASKED], IDS[ASKED], reduction="none")
    torch.testing.assert_close(language.token_losses({"input_ids": IDS}, ASKED, IDS[ASKED]), expected)


def test_a_language_model_is_its_own() -> None:
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(tiny.configs["llama"]()).eval()
    run = run_of(model)
    language = language_of(run)
    assert language.model is model
    assert not language.fresh
    before = set(run.params)
    language.attach(run)
    assert set(run.params) == before
    logits = model(IDS).logits
    torch.testing.assert_close(
        language.token_losses({"input_ids": IDS}, ASKED, IDS[ASKED]), F.cross_entropy(logits[ASKED], IDS[ASKED], reduction="none")
    )


def test_it_is_the_same_at_each_call_and_moves_no_random_numbers() -> None:
    model = classifier("bert")
    before = torch.get_rng_state()
    heads = [language_of(run_of(model)).model.cls.predictions.transform.dense.weight for _ in range(2)]
    assert torch.equal(*heads)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_adapter_is_computed_with(tmp_path: Path) -> None:
    model = LoRA.example().adapt(classifier("bert"))
    run = run_of(model)
    language = language_of(run)
    language.attach(run)
    language.token_losses({"input_ids": IDS}, ASKED, IDS[ASKED]).sum().backward()
    adapters = {name: w for name, w in run.learning().items() if "lora_B" in name}
    assert adapters
    assert all(w.grad.abs().sum() > 0 for w in adapters.values())
    model.save_pretrained(tmp_path, save_embedding_layers=False)
    assert not [name for name in load_file(tmp_path / "adapter_model.safetensors") if PRETRAINING in name]


@pytest.mark.parametrize("family", ["t5", "bart", "xlnet", "vit"])
def test_models_of_another_pre_training_are_refused(family: str) -> None:
    with pytest.raises(InputError, match="no pre-training of masked or next tokens"):
        language_of(run_of(tiny.base(family)))
