"""Tiny random models and a word-level tokenizer: real architectures that build in milliseconds, for every test.

Nothing is downloaded. Weights are a function of ``torch.manual_seed``, which the builders call themselves.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]  # ids 0 to 4
PAD, UNK, CLS, SEP, MASK = range(5)
TEXT = """a an and as at bad best big boring but by can cat day dog dull fast film fine for from good great hated he i in is it like
long loved man me movie music new no not of on one paris plot poor sad slow small song story that the this to two very was well woman
wonderful worst you yes . , ! ? 0 1 2 3 4 5"""
WORDS = TEXT.split()
CHINESE = list("这部电影很好看不坏的我喜欢")
VOCABULARY = [*SPECIAL, *WORDS, *CHINESE]


SEGMENTED = {"bert", "electra", "albert", "xlnet"}  # families whose tokenizers mark the second text of a pair


def tokenizer(max_length: int = 64, token_types: bool = True) -> PreTrainedTokenizerFast:
    """A lower-casing word-level tokenizer: ``[CLS] a good film [SEP]``; a pair has a second ``[SEP]`` and token type 1."""
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    inputs = ["input_ids", *(["token_type_ids"] if token_types else []), "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=max_length, model_input_names=inputs, **named)


_IDS = {"vocab_size": len(VOCABULARY), "pad_token_id": PAD, "bos_token_id": CLS, "eos_token_id": SEP}
_BERT = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 72}
_BART = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
_BART |= {"decoder_layers": 3, "decoder_attention_heads": 2, "decoder_ffn_dim": 64, "decoder_start_token_id": CLS}
_T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_heads": 2, "num_layers": 2, "num_decoder_layers": 3, "decoder_start_token_id": PAD}
_IMAGE = {"image_size": 16, "patch_size": 8}
_TOWER = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}

# family -> (class of its configuration, what the tiny one is told)
_FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", _IDS | _BERT),
    "roberta": ("RobertaConfig", _IDS | _BERT),
    "distilbert": ("DistilBertConfig", _IDS | {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 72}),
    "electra": ("ElectraConfig", _IDS | _BERT | {"embedding_size": 16}),
    "albert": ("AlbertConfig", _IDS | _BERT | {"embedding_size": 16}),
    "xlnet": ("XLNetConfig", _IDS | {"d_model": 32, "n_layer": 3, "n_head": 2, "d_inner": 64, "start_n_top": 2, "end_n_top": 2}),
    "deberta": (
        "DebertaV2Config",
        _IDS | _BERT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8, "conv_kernel_size": 3},
    ),
    "modernbert": ("ModernBertConfig", _IDS | _BERT | {"cls_token_id": CLS, "sep_token_id": SEP, "local_attention": 8}),
    "gpt2": ("GPT2Config", _IDS | {"n_embd": 32, "n_layer": 3, "n_head": 2, "n_inner": 64, "n_positions": 72}),
    "gptneox": ("GPTNeoXConfig", _IDS | _BERT),
    "llama": ("LlamaConfig", _IDS | _BERT | {"num_key_value_heads": 1, "tie_word_embeddings": True}),
    "qwen2": ("Qwen2Config", _IDS | _BERT | {"num_key_value_heads": 1}),
    "t5": ("T5Config", _IDS | _T5),
    "bart": ("BartConfig", _IDS | _BART | {"max_position_embeddings": 72}),
    "marian": ("MarianConfig", _IDS | _BART | {"max_position_embeddings": 72}),
    "clip": (
        "CLIPConfig",
        {
            "projection_dim": 16,
            "text_config": _IDS | _TOWER | {"num_hidden_layers": 2, "max_position_embeddings": 72},
            "vision_config": _TOWER | _IMAGE | {"num_hidden_layers": 3},
        },
    ),
    "vit": ("ViTConfig", _TOWER | _IMAGE | {"num_hidden_layers": 3}),
    "whisper": (
        "WhisperConfig",
        _IDS | _BART | {"num_mel_bins": 8, "max_source_positions": 16, "max_target_positions": 72, "classifier_proj_size": 16},
    ),
}

# family -> builder of its tiny configuration; keywords change it: configs["bert"](num_hidden_layers=2)
configs = {family: partial(getattr(transformers, name), **settings) for family, (name, settings) in _FAMILIES.items()}


def bert(num_labels: int = 2, layers: int = 3, seed: int = 0) -> PreTrainedModel:
    """A BERT of ``layers`` layers with a classifier, in training mode."""
    torch.manual_seed(seed)
    config = configs["bert"](num_hidden_layers=layers, num_labels=num_labels)
    return transformers.BertForSequenceClassification(config).train()


def base(family: str = "bert", seed: int = 0, **config: Any) -> PreTrainedModel:
    """The family's model without a head, weights random."""
    torch.manual_seed(seed)
    return AutoModel.from_config(configs[family](**config))


_SEEN = {"size": {"height": 16, "width": 16}, "do_center_crop": False}
# family -> what its image processor or feature extractor is told: 16 x 16 pixels, a second of sound in 32 frames
_READERS: dict[str, dict[str, Any]] = {
    "vit": {"image_processor_type": "ViTImageProcessor"} | _SEEN,
    "clip": {"image_processor_type": "CLIPImageProcessor"} | _SEEN,
    "whisper": {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 8, "hop_length": 500, "chunk_length": 1},
}


def folder(path: Path, family: str = "bert", **config: Any) -> Path:
    """``path/family``: a Hugging Face folder of the model without head, as safetensors, and the tokenizer or what else feeds it."""
    target = path / family
    base(family, **config).save_pretrained(target)
    if family in _READERS:
        (target / "preprocessor_config.json").write_text(json.dumps(_READERS[family]), encoding="utf-8")
    if family != "vit":
        tokenizer(token_types=family in SEGMENTED).save_pretrained(target)
    return target


def writer(path: Path, family: str = "bart") -> Path:
    """``path/family``: a folder of an encoder-decoder, or a decoder, that writes a few words by chance and comes to an end."""
    torch.manual_seed(0)
    auto, scale = ("AutoModelForSeq2SeqLM", "init_std") if family == "bart" else ("AutoModelForCausalLM", "initializer_range")
    model = getattr(transformers, auto).from_config(configs[family](**{scale: 0.3}))
    if family == "bart":
        model.final_logits_bias[0, SEP] = 4.0
    model.save_pretrained(path / family)
    tokenizer(token_types=False).save_pretrained(path / family)
    return path / family


def translator(path: Path, family: str) -> Path:
    """``path/family``: a folder of a model that translates many languages (``nllb``, ``mbart`` or ``mbart50``), letter by letter."""
    torch.manual_seed(0)
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz"]
    classes = {"nllb": "NllbTokenizer", "mbart": "MBartTokenizer", "mbart50": "MBart50Tokenizer"}
    codes = ["en_XX", "fr_XX"]  # mBART's own vocabulary holds those of its languages, NLLB's tokenizer adds them
    vocabulary: Any = {piece: i for i, piece in enumerate(pieces)} if family == "nllb" else [(piece, -1.0) for piece in [*pieces, *codes]]
    reader = getattr(transformers, classes[family])(vocab=vocabulary, model_max_length=64)
    own: dict[str, Any] = {"vocab_size": len(reader), "max_position_embeddings": 72, "decoder_start_token_id": 2, "init_std": 0.3}
    kind = "M2M100Config" if family == "nllb" else "MBartConfig"
    model: Any = transformers.AutoModelForSeq2SeqLM.from_config(getattr(transformers, kind)(**_BART | own))
    toward = torch.randn(32)
    model.model.decoder.layer_norm.bias.data += toward  # texts come to an end
    model.model.shared.weight.data[2] += toward * 6 / toward.square().sum()
    model.model.shared.weight.data[len(pieces) :] *= 0.1  # and have few languages in them
    model.save_pretrained(path / family)
    reader.save_pretrained(path / family)
    return path / family
