"""What does not fit together is refused, with the reason; adapters go on top of their base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file

import tiny
from tunesmith.core.errors import InputError, ResourceError
from tunesmith.core.task import Head
from tunesmith.model import weights
from tunesmith.model.build import Model, build
from tunesmith.model.save import save

CLASSIFIER = Head("AutoModelForSequenceClassification", {"num_labels": 3})
ignore_peft = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")


def rewrite(folder: Path, **changes: Any) -> Path:
    """Change the configuration of a saved model; None takes a key out."""
    file = folder / "config.json"
    config = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "distilbert"}, "Pre-trained weights are missing or have another shape: distilbert.transformer.layer.0"),
        ({"hidden_size": 16}, "weights are missing or have another shape"),
        ({"num_hidden_layers": 4}, r"missing .* bert\.encoder\.layer\.3\.attention\.self\.query\.weight and 15 more"),
        ({"vocab_size": 100}, r"missing .* bert\.embeddings\.word_embeddings\.weight\. Name a folder"),
        ({"model_type": "clever", "auto_map": {"AutoModel": "clever.Clever"}}, r"'clever' needs Python code of its own \(auto_map\)"),
        ({"model_type": "brand-new"}, "'brand-new' is not known to transformers"),
        ({"model_type": None}, "'' is not known to transformers"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantised, and cannot learn"),
        ({"hidden_size": "wide"}, "cannot be loaded"),
        ({"num_attention_heads": 5}, "cannot be loaded"),
    ],
)
def test_a_configuration_that_does_not_fit(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    folder = rewrite(tiny.folder(tmp_path), **changes)
    with pytest.raises(InputError, match=message) as caught:
        build(str(folder), CLASSIFIER)
    assert str(folder) in str(caught.value)


def test_a_family_without_such_a_head(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gpt_neox models have no AutoModelForMaskedLM\. Name sample:minilm"):
        build(str(tiny.folder(tmp_path, "gptneox")), Head("AutoModelForMaskedLM", {}))


def test_a_setting_that_the_family_does_not_have_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bert models have no setting 'flavour'"):
        build(str(tiny.folder(tmp_path)), Head("AutoModel", {"flavour": "sweet"}))


def test_too_little_memory_is_no_fault_of_the_files(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="does not fit into memory"), weights._reading(tmp_path):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")


@pytest.fixture
def adapted(tmp_path: Path) -> tuple[Path, Model]:
    """A LoRA adapter with a tuned head, in a folder of its own; and the model that was saved."""
    model = build(str(tiny.folder(tmp_path)), CLASSIFIER)
    model.module = get_peft_model(model.module, LoraConfig(r=2, target_modules=["query", "value"], modules_to_save=["classifier"]))
    with torch.no_grad():
        for parameter in model.module.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    save(model, tmp_path / "adapter")
    return tmp_path / "adapter", model


def learning(model: Model) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for name, parameter in model.module.named_parameters() if parameter.requires_grad}


@ignore_peft
def test_an_adapter_comes_back_on_its_base(adapted: tuple[Path, Model]) -> None:
    folder, tuned = adapted
    model = build(str(folder), CLASSIFIER)
    assert isinstance(model.module, PeftModel)
    assert model.fresh == ()
    assert model.source.adapter == folder
    assert "with an adapter (0.9 k)" in model.about
    assert "new head" not in model.about
    inputs = {"input_ids": torch.tensor([[tiny.CLS, 9, tiny.SEP]])}
    assert torch.equal(model.module(**inputs).logits, tuned.module.eval()(**inputs).logits)


@ignore_peft
def test_an_adapter_goes_on_learning_and_is_saved_again(adapted: tuple[Path, Model], tmp_path: Path) -> None:
    model = build(str(adapted[0]), CLASSIFIER)
    assert learning(model).keys() == learning(adapted[1]).keys()
    model.module(input_ids=torch.tensor([[tiny.CLS, 9, tiny.SEP]]), labels=torch.tensor([1])).loss.backward()
    with torch.no_grad():
        for parameter in learning(model).values():
            assert parameter.grad is not None
            parameter.sub_(parameter.grad)
    save(model, tmp_path / "again")
    again = learning(build(str(tmp_path / "again"), CLASSIFIER))
    assert all(torch.equal(parameter, again[name]) for name, parameter in learning(model).items())


@ignore_peft
def test_an_adapter_for_other_labels_is_refused(adapted: tuple[Path, Model]) -> None:
    with pytest.raises(InputError, match="cannot be loaded"):
        build(str(adapted[0]), Head("AutoModelForSequenceClassification", {"num_labels": 2}))


@ignore_peft
def test_an_adapter_that_lacks_weights_is_refused(adapted: tuple[Path, Model]) -> None:
    file = adapted[0] / "adapter_model.safetensors"
    save_file({name: tensor for name, tensor in load_file(file).items() if "layer.1" not in name}, file)
    with pytest.raises(InputError, match="lacks weights"):
        build(str(adapted[0]), CLASSIFIER)


@ignore_peft
def test_a_head_that_was_not_saved_with_the_adapter_is_fresh(tmp_path: Path) -> None:
    model = build(str(tiny.folder(tmp_path)), CLASSIFIER)
    model.module = get_peft_model(model.module, LoraConfig(r=2, target_modules=["query"]))
    save(model, tmp_path / "adapter")
    again = build(str(tmp_path / "adapter"), CLASSIFIER)
    assert again.fresh == ("base_model.model.classifier.weight", "base_model.model.classifier.bias")
    assert "new head: classifier (99)" in again.about


@ignore_peft
def test_learned_tokens_come_back_and_can_go_on_learning(tmp_path: Path) -> None:
    model = build(str(tiny.folder(tmp_path)), CLASSIFIER)
    model.module = get_peft_model(model.module, PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=2))
    save(model, tmp_path / "prompt")
    again = build(str(tmp_path / "prompt"), CLASSIFIER)
    assert set(learning(again)) == set(learning(model))
    assert any("prompt_encoder" in name for name in learning(again))
    inputs = {"input_ids": torch.tensor([[tiny.CLS, 9, tiny.SEP]]), "attention_mask": torch.ones(1, 3)}
    assert torch.equal(again.module.eval()(**inputs).logits, model.module.eval()(**inputs).logits)
