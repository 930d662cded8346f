"""Models from .gguf files, which are written here in a few milliseconds; the real one is a slow test."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.task import Head
from tunesmith.model.build import Model, build
from tunesmith.model.save import digest, save

LANGUAGE_MODEL = Head("AutoModelForCausalLM", {})
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
# byte-pair encoding builds words from letters, for which the Chinese words of the tiny vocabulary make room
TOKENS = [*tiny.VOCABULARY[: -len(tiny.CHINESE)], *"nbcdefghjklmopqrst"[: len(tiny.CHINESE)]]


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key matrix in the order of llama.cpp, whose rotary halves alternate."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def write(path: Path) -> torch.nn.Module:
    """A tiny Llama as a .gguf file of 8-bit blocks; the model that was written."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny.configs["llama"]())
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(TOKENS)
    writer.add_token_types([1] * len(TOKENS))
    writer.add_token_merges(["a n"])
    writer.add_bos_token_id(tiny.CLS)
    writer.add_eos_token_id(tiny.SEP)
    for name, tensor in model.model.state_dict().items():
        weight = tensor.numpy()
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            weight = interleaved(weight, heads) if part in name else weight
        block = name.removeprefix("layers.").replace("embed_tokens", "token_embd").removesuffix(".weight")
        number, _, part = block.partition(".")
        block = f"blk.{number}.{NAMES[part]}" if part else block.replace("norm", "output_norm")
        if weight.ndim == 2:
            writer.add_tensor(
                f"{block}.weight", gguf.quantize(weight, gguf.GGMLQuantizationType.Q8_0), raw_dtype=gguf.GGMLQuantizationType.Q8_0
            )
        else:
            writer.add_tensor(f"{block}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    return path, write(path)


@pytest.fixture(scope="module")
def built(written: tuple[Path, torch.nn.Module]) -> Model:
    return build(str(written[0]), LANGUAGE_MODEL)


def test_weights_are_those_that_were_quantised(built: Model, written: tuple[Path, torch.nn.Module]) -> None:
    original = dict(written[1].named_parameters())
    parameters = dict(built.module.named_parameters())
    assert parameters.keys() == original.keys()
    for name, parameter in parameters.items():
        assert parameter.dtype == torch.float32
        assert torch.allclose(parameter, original[name], atol=2e-3), name


def test_it_trains(built: Model) -> None:
    ids = torch.tensor([[tiny.CLS, 9, 10, tiny.SEP]])
    built.module(input_ids=ids, labels=ids).loss.backward()
    assert all(parameter.grad is not None for parameter in built.module.parameters())


def test_it_is_saved_and_loaded_like_any_other(built: Model, tmp_path: Path) -> None:
    save(built, tmp_path / "model")
    again = build(str(tmp_path / "model"), LANGUAGE_MODEL)
    assert again.fresh == ()
    assert digest(again.module) == digest(built.module)
    assert again.tokenizer("a film").input_ids == built.tokenizer("a film").input_ids


def test_the_output_matrix_stays_tied(built: Model) -> None:
    assert built.module.lm_head.weight is built.module.model.embed_tokens.weight


def test_about_and_limits(built: Model) -> None:
    assert built.about.startswith("tiny (Llama, 3 layers, 30.8 k parameters, float32) from ")
    assert built.about.endswith("; de-quantised from tiny.gguf")
    assert built.tokenizer.model_max_length == 72
    assert built.tokenizer.pad_token == "[SEP]"
    assert built.module.config.pad_token_id == tiny.SEP


def test_a_new_head_is_a_function_of_the_seed(written: tuple[Path, torch.nn.Module]) -> None:
    head = Head("AutoModelForSequenceClassification", {"num_labels": 3})
    digests = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = build(str(written[0]), head)
        assert model.fresh == ("score.weight",)
        digests.append(digest(model.module))
    assert digests[0] == digests[1] != digests[2]


def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"not a model")
    with pytest.raises(InputError, match="cannot be"):
        build(str(tmp_path / "broken.gguf"), LANGUAGE_MODEL)


@pytest.mark.slow
def test_the_real_one_knows_the_capital_of_france(tmp_path: Path) -> None:
    model = build("sample:smollm2", LANGUAGE_MODEL)
    save(model, tmp_path)
    saved = build(str(tmp_path), LANGUAGE_MODEL)
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = saved.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = saved.module.generate(**inputs, max_new_tokens=12, do_sample=False)[0]
    assert "Paris" in saved.tokenizer.decode(said)
