"""The original checkpoints of BERT as a model's folder: the same weights and tokens, in any class of transformers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertForPreTraining

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model.build import build
from tunesmith.model.files import tensorflow_index
from tunesmith.model.tensorflow_bert import name_of

SPEC = importlib.util.spec_from_file_location("checkpoints", Path(__file__).with_name("test_tensorflow_checkpoint.py"))
assert SPEC is not None
assert SPEC.loader is not None
CHECKPOINTS = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(CHECKPOINTS)
BACK = {"predictions.bias": "predictions.output_bias", "relationship.weight": "relationship.output_weights"}
BACK |= {"relationship.bias": "relationship.output_bias", "LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}


def original(folder: Path) -> BertForPreTraining:
    """Write a tiny BERT as its authors would have, and return it."""
    torch.manual_seed(0)
    model = BertForPreTraining(tiny.configs["bert"]())
    tensors: dict[str, Any] = {"global_step": np.array(3), "bert/pooler/dense/kernel/adam_m": np.ones(2, np.float32)}
    for name, weight in model.named_parameters():
        values = weight.detach().numpy()
        for ours, theirs in BACK.items():
            name = name.replace(ours, theirs)
        if name.endswith("embeddings.weight"):
            name = name.removesuffix(".weight")
        elif name.endswith(".weight"):
            name, values = name.removesuffix("weight") + "kernel", np.ascontiguousarray(values.T)
        tensors[name.replace("layer.", "layer_").replace(".", "/")] = values
    folder.mkdir(exist_ok=True)
    CHECKPOINTS.write(folder / "bert_model.ckpt", tensors)
    kept = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings", "vocab_size")
    settings = {name: value for name, value in model.config.to_dict().items() if name in kept}
    (folder / "bert_config.json").write_text(json.dumps(settings | {"hidden_act": "gelu", "type_vocab_size": 2}))
    (folder / "vocab.txt").write_text("\n".join(tiny.VOCABULARY), encoding="utf-8")
    return model.eval()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))


def test_the_weights_are_those_of_the_original(tmp_path: Path) -> None:
    wanted = original(tmp_path / "bert_original")
    built = build(str(tmp_path / "bert_original"), Head("AutoModelForPreTraining", {}))
    assert built.fresh == ()
    assert built.source.name == "bert_original"
    state = built.module.state_dict()
    assert state.keys() == wanted.state_dict().keys()
    assert all(torch.equal(state[name], weight) for name, weight in wanted.state_dict().items())
    assert built.tokenizer("A good FILM")["input_ids"] == tiny.tokenizer()("a good film")["input_ids"]
    again = build(str(tmp_path / "bert_original"), Head("AutoModelForSequenceClassification", {"num_labels": 2}))
    assert set(again.fresh) == {"classifier.weight", "classifier.bias"}


def test_names() -> None:
    assert name_of("bert/encoder/layer_11/attention/output/LayerNorm/gamma") == "bert.encoder.layer.11.attention.output.LayerNorm.weight"
    assert name_of("bert/embeddings/token_type_embeddings") == "bert.embeddings.token_type_embeddings.weight"
    assert name_of("cls/predictions/output_bias") == "cls.predictions.bias"
    assert name_of("cls/seq_relationship/output_weights") == "cls.seq_relationship.weight"


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    original(folder)
    head = Head("AutoModelForPreTraining", {})
    (folder / "bert_config.json").rename(folder / "config")
    with pytest.raises(InputError, match="no bert_config"):
        build(str(folder), head)
    (folder / "config").rename(folder / "bert_config.json")
    CHECKPOINTS.write(folder / "bert_model.ckpt", {"gpt/w": np.ones(2, np.float32)})
    with pytest.raises(InputError, match="not one of BERT: it holds gpt/w"):
        build(str(folder), head)
    CHECKPOINTS.write(folder / "other.ckpt", {})
    with pytest.raises(InputError, match="2 TensorFlow checkpoints"):
        tensorflow_index(folder)


@pytest.mark.parametrize("name", ["tf_model.h5", "saved_model.pb"])
def test_other_formats_of_tensorflow_name_the_conversion(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"format of TensorFlow .* Convert it .*from_tf=True"):
        build(str(tmp_path), Head("AutoModel", {}))
