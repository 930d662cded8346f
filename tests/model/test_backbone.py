"""Depth and kind of every parameter, for every family."""

from __future__ import annotations

import pytest
import torch
import transformers
from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from torch import nn

import tiny
from tunesmith.core.param import Param
from tunesmith.model.backbone import describe, layers

CLASSIFICATION, MASKED, CAUSAL, SEQ2SEQ = "SequenceClassification", "MaskedLM", "CausalLM", "Seq2SeqLM"

# family, head -> layers, then parameters by depth: "depth name" of what a reader would ask about, the first and the last among it
PLACES: dict[tuple[str, str], tuple[int, str]] = {
    ("bert", CLASSIFICATION): (
        3,
        """0 bert.embeddings.word_embeddings.weight
        0 bert.embeddings.LayerNorm.bias
        1 bert.encoder.layer.0.attention.self.query.weight
        3 bert.encoder.layer.2.output.LayerNorm.bias
        4 bert.pooler.dense.weight
        4 classifier.bias""",
    ),
    ("bert", MASKED): (3, "4 cls.predictions.bias, 4 cls.predictions.transform.LayerNorm.bias"),
    ("roberta", CLASSIFICATION): (3, "0 roberta.embeddings.position_embeddings.weight, 4 classifier.out_proj.bias"),
    ("distilbert", CLASSIFICATION): (
        3,
        "0 distilbert.embeddings.word_embeddings.weight, 1 distilbert.transformer.layer.0.sa_layer_norm.bias, 4 pre_classifier.weight",
    ),
    ("electra", CLASSIFICATION): (
        3,
        "0 electra.embeddings_project.weight, 3 electra.encoder.layer.2.output.dense.bias, 4 classifier.dense.weight",
    ),
    ("albert", CLASSIFICATION): (
        1,
        """0 albert.encoder.embedding_hidden_mapping_in.weight
        1 albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight
        2 albert.pooler.weight
        2 classifier.bias""",
    ),
    ("xlnet", CLASSIFICATION): (
        3,
        "0 transformer.mask_emb, 1 transformer.layer.0.rel_attn.q, 4 sequence_summary.summary.weight, 4 logits_proj.bias",
    ),
    ("deberta", CLASSIFICATION): (
        3,
        """0 deberta.embeddings.word_embeddings.weight
        0 deberta.encoder.rel_embeddings.weight
        0 deberta.encoder.LayerNorm.weight
        0 deberta.encoder.conv.conv.weight
        3 deberta.encoder.layer.2.output.LayerNorm.bias
        4 pooler.dense.weight
        4 classifier.bias""",
    ),
    ("modernbert", CLASSIFICATION): (
        3,
        "0 model.embeddings.norm.weight, 3 model.layers.2.mlp.Wo.weight, 4 model.final_norm.weight, 4 head.dense.weight",
    ),
    ("gpt2", CLASSIFICATION): (
        3,
        "0 transformer.wte.weight, 0 transformer.wpe.weight, 1 transformer.h.0.ln_1.weight, 4 transformer.ln_f.bias, 4 score.weight",
    ),
    ("gpt2", CAUSAL): (3, "0 transformer.wte.weight, 4 transformer.ln_f.bias"),
    ("gptneox", CAUSAL): (3, "0 gpt_neox.embed_in.weight, 4 gpt_neox.final_layer_norm.weight, 4 lm_head.weight"),
    ("llama", CAUSAL): (3, "0 model.embed_tokens.weight, 3 model.layers.2.post_attention_layernorm.weight, 4 model.norm.weight"),
    ("qwen2", CAUSAL): (3, "0 model.embed_tokens.weight, 1 model.layers.0.self_attn.q_proj.bias, 4 model.norm.weight, 4 lm_head.weight"),
    ("t5", SEQ2SEQ): (
        5,
        """0 shared.weight
        1 encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight
        2 encoder.block.1.layer.1.layer_norm.weight
        2 encoder.final_layer_norm.weight
        3 decoder.block.0.layer.1.EncDecAttention.q.weight
        5 decoder.block.2.layer.2.layer_norm.weight
        6 decoder.final_layer_norm.weight""",
    ),
    ("bart", CLASSIFICATION): (
        5,
        """0 model.shared.weight
        0 model.encoder.layernorm_embedding.weight
        0 model.decoder.layernorm_embedding.bias
        0 model.decoder.embed_positions.weight
        1 model.encoder.layers.0.fc1.weight
        5 model.decoder.layers.2.final_layer_norm.bias
        6 classification_head.out_proj.bias""",
    ),
    ("marian", SEQ2SEQ): (5, "0 model.shared.weight, 2 model.encoder.layers.1.fc2.bias, 5 model.decoder.layers.2.final_layer_norm.bias"),
    ("whisper", "SpeechSeq2Seq"): (
        5,
        """0 model.encoder.conv1.weight
        0 model.encoder.embed_positions.weight
        2 model.encoder.layer_norm.weight
        0 model.decoder.embed_tokens.weight
        3 model.decoder.layers.0.encoder_attn.q_proj.weight
        6 model.decoder.layer_norm.bias""",
    ),
    ("vit", "ImageClassification"): (3, "0 vit.embeddings.cls_token, 4 vit.layernorm.weight, 4 classifier.bias"),
    ("clip", ""): (
        3,
        """0 text_model.embeddings.token_embedding.weight
        2 text_model.encoder.layers.0.mlp.fc1.weight
        3 text_model.encoder.layers.1.mlp.fc1.weight
        4 text_model.final_layer_norm.weight
        0 vision_model.pre_layrnorm.weight
        1 vision_model.encoder.layers.0.mlp.fc1.weight
        4 vision_model.post_layernorm.bias
        4 visual_projection.weight
        4 logit_scale""",
    ),
}


def model(family: str, head: str) -> nn.Module:
    extra = {"norm_rel_ebd": "layer_norm"} if family == "deberta" else {}
    auto = getattr(transformers, f"AutoModelFor{head}" if head else "AutoModel")
    built: nn.Module = auto.from_config(tiny.configs[family](**extra))
    return built


@pytest.mark.parametrize(("family", "head"), PLACES)
def test_every_family(family: str, head: str) -> None:
    module = model(family, head)
    params = describe(module)
    num_layers, places = PLACES[family, head]
    assert list(params) == [name for name, _ in module.named_parameters()]
    assert {param.layers for param in params.values()} == {num_layers}
    for place in places.replace("\n", ",").split(","):
        depth, name = place.split()
        assert (name, params[name].depth) == (name, int(depth))
    assert {param.depth for param in params.values()} >= set(range(num_layers + 1))


def test_every_family_of_the_table_is_tested() -> None:
    assert {family for family, _ in PLACES} == set(tiny.configs)


@pytest.mark.parametrize("family", tiny.configs)
def test_every_weight_matrix_in_a_layer_is_attention_or_mlp(family: str) -> None:
    params = describe(tiny.base(family)).values()
    inner = [param for param in params if 0 < param.depth <= param.layers]
    assert {param.kind for param in inner} == {"attention", "mlp", "norm"}
    assert {param.kind for param in params if param.depth == 0} <= {"embedding", "norm"}


def test_kinds_and_biases() -> None:
    params = describe(tiny.bert())
    kinds = {
        "bert.embeddings.position_embeddings.weight": ("embedding", False),
        "bert.encoder.layer.0.attention.self.key.bias": ("attention", True),
        "bert.encoder.layer.0.attention.output.dense.weight": ("attention", False),
        "bert.encoder.layer.0.attention.output.LayerNorm.weight": ("norm", False),
        "bert.encoder.layer.0.output.dense.weight": ("mlp", False),
        "bert.encoder.layer.0.output.LayerNorm.bias": ("norm", True),
        "classifier.weight": ("head", False),
    }
    assert {name: (params[name].kind, params[name].bias) for name in kinds} == kinds
    assert params["classifier.weight"] == Param("classifier.weight", (2, 32), depth=4, layers=3, kind="head")


@pytest.mark.parametrize("family", tiny.configs)
def test_layers_come_from_the_bottom_up(family: str) -> None:
    module = tiny.base(family)
    depth_of = {id(parameter): describe(module)[name].depth for name, parameter in module.named_parameters()}
    depths = [{depth_of[id(parameter)] for parameter in layer.parameters()} for layer in layers(module)]
    assert all(len(each) == 1 for each in depths)
    assert [min(each) for each in depths] == sorted(min(each) for each in depths)


def test_two_encoders_side_by_side_end_at_the_same_depth() -> None:
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
        tiny.configs["vit"](), tiny.configs["bert"](num_hidden_layers=2), projection_dim=16
    )
    params = describe(transformers.VisionTextDualEncoderModel(config))
    assert params["vision_model.layers.2.mlp.fc1.weight"].depth == 3
    assert params["text_model.encoder.layer.1.output.dense.weight"].depth == 3
    assert params["text_model.encoder.layer.0.output.dense.weight"].depth == 2
    assert {params[name].depth for name in ("text_projection.weight", "visual_projection.weight", "logit_scale")} == {4}


def test_an_encoder_and_a_decoder_made_of_two_models() -> None:
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(
        tiny.configs["bert"](num_hidden_layers=2, hidden_size=16), tiny.configs["bert"](is_decoder=True, add_cross_attention=True)
    )
    params = describe(transformers.EncoderDecoderModel(config))
    assert params["encoder.encoder.layer.1.output.dense.weight"].depth == 2
    assert params["enc_to_dec_proj.weight"].depth == 2  # the decoder's first layer reads it
    assert params["decoder.bert.embeddings.word_embeddings.weight"].depth == 0
    assert params["decoder.bert.encoder.layer.0.crossattention.self.query.weight"].depth == 3
    assert params["decoder.cls.predictions.bias"].depth == 6


def test_layers_in_parts_side_by_side() -> None:
    module = transformers.XLMModel(transformers.XLMConfig(vocab_size=90, emb_dim=32, n_layers=2, n_heads=2))
    params = describe(module)
    assert params["ffns.0.lin1.weight"].depth == params["attentions.0.q_lin.weight"].depth == params["layer_norm1.0.weight"].depth == 1
    assert len(layers(module)) == 2


def test_what_mpnet_and_opt_define_out_of_order() -> None:
    small = {"vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    mpnet = describe(transformers.MPNetModel(transformers.MPNetConfig(**small)))
    assert mpnet["encoder.relative_attention_bias.weight"].depth == 0
    opt = describe(transformers.OPTModel(transformers.OPTConfig(**small, ffn_dim=32, word_embed_proj_dim=16)))
    assert opt["decoder.project_in.weight"].depth == 0
    assert opt["decoder.project_out.weight"].depth == opt["decoder.final_layer_norm.weight"].depth == 3


@pytest.mark.parametrize(
    ("config", "name", "depth"),
    [
        (LoraConfig(target_modules=["query"], modules_to_save=["classifier"]), "layer.1.attention.self.query.lora_A", 2),
        (IA3Config(target_modules=["key"], feedforward_modules=[]), "layer.2.attention.self.key.ia3_l", 3),
        (PromptTuningConfig(num_virtual_tokens=2, task_type="SEQ_CLS"), "prompt_encoder", 0),
        (PrefixTuningConfig(num_virtual_tokens=2, task_type="SEQ_CLS"), "prompt_encoder", 0),
    ],
)
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft reads a name that transformers gives up
def test_adapters(config: object, name: str, depth: int) -> None:
    module = tiny.bert()
    before = {each for each, _ in module.named_parameters()}
    wrapped = get_peft_model(module, config)
    params = describe(wrapped, before, ["classifier.weight"])
    fresh = {each for each, param in params.items() if param.fresh}
    assert fresh == {each for each in params if "classifier" in each and each.endswith("weight")}
    added = {each for each, param in params.items() if param.added}
    assert any(name in each for each in added)
    assert all(params[each].depth == depth for each in added if name in each)
    assert all(param.depth == 4 for each, param in params.items() if "classifier" in each)
    assert not any(param.added for each, param in params.items() if "word_embeddings" in each or "base_layer" in each)
    assert next(iter(params.values())).layers == 3
    assert len(layers(wrapped)) == 3


def test_nothing_is_added_where_nothing_was_asked() -> None:
    assert not any(param.added for param in describe(tiny.bert()).values())


def test_a_head_that_a_strategy_hangs_beside_the_model() -> None:
    class WithDomains(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = tiny.bert()
            self.domain = nn.Linear(32, 2)

    params = describe(WithDomains(), {name for name, _ in tiny.bert().named_parameters()})
    assert params["domain.weight"].depth == 4
    assert params["domain.weight"].added


def test_a_module_without_layers_is_all_head() -> None:
    params = describe(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)))
    assert {(param.depth, param.layers, param.kind) for param in params.values()} == {(1, 0, "head")}
    assert layers(nn.Linear(2, 2)) == []


def test_freezing_below_a_depth_leaves_that_depth_computable_once() -> None:
    """The promise that depth makes: what a layer puts out depends on parameters of its depth or lower, and on no other."""
    for family in ("bert", "deberta", "modernbert", "gpt2"):
        module = tiny.base(family, **({"norm_rel_ebd": "layer_norm"} if family == "deberta" else {})).eval()
        params = describe(module)
        ids = torch.tensor([[tiny.CLS, 9, 10, tiny.SEP]])
        hidden = module(ids, output_hidden_states=True).hidden_states
        for depth in (1, 2):
            module.zero_grad()
            hidden[depth].square().sum().backward(retain_graph=True)
            touched = {params[name].depth for name, parameter in module.named_parameters() if parameter.grad is not None}
            assert max(touched) <= depth, family
