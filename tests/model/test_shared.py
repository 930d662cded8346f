"""Models that share their layers: one trunk, a head each, every one of them whole on its own."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.backbone import describe
from tunesmith.model.shared import lean, share, shared_parameters


def three() -> dict[str, transformers.PreTrainedModel]:
    torch.manual_seed(0)
    config = tiny.configs["bert"]
    return {
        "topics": transformers.BertForSequenceClassification(config(num_labels=3)),
        "tags": transformers.BertForTokenClassification(config(num_labels=5)),
        "words": transformers.BertForMaskedLM(config(tie_word_embeddings=True)),
    }


def test_layers_and_tied_matrices_are_there_once(tmp_path: Path) -> None:
    models = three()
    whole = share(models)
    base = models["topics"].bert
    assert models["tags"].bert.encoder is models["words"].bert.encoder is base.encoder
    assert models["words"].cls.predictions.decoder.weight is base.embeddings.word_embeddings.weight
    assert models["tags"].bert.pooler is None
    names = dict(whole.named_parameters())
    assert "trunk.encoder.layer.0.attention.self.query.weight" in names
    assert "heads.1.classifier.weight" in names
    alone = sum(parameter.numel() for parameter in models["topics"].parameters())
    heads = 32 * 5 + 5 + sum(p.numel() for n, p in models["words"].cls.named_parameters() if "decoder.weight" not in n)
    assert sum(parameter.numel() for parameter in names.values()) == alone + heads
    for name, model in models.items():
        model.save_pretrained(tmp_path / name)
        again, info = type(model).from_pretrained(tmp_path / name, output_loading_info=True)
        assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        ids = torch.tensor([[tiny.CLS, 7, 8, tiny.SEP]])
        assert torch.equal(again(input_ids=ids).logits, model.eval()(input_ids=ids).logits)


def test_depths_are_those_of_one_model_whatever_the_tasks_are_called() -> None:
    models = dict(zip(("prompts", "final", "embed"), three().values(), strict=True))  # words that tell depths in names of parameters
    params = describe(share(models))
    assert {params[name].depth for name in params if name.startswith("heads.")} == {4}
    assert params["trunk.encoder.layer.2.output.dense.bias"].depth == 3
    assert params["trunk.embeddings.word_embeddings.weight"].depth == 0


def test_shared_parameters_are_those_of_more_than_one_task() -> None:
    whole = share(three())
    shared = shared_parameters(whole)
    assert "trunk.encoder.layer.0.output.dense.weight" in shared
    assert not any("pooler" in name or name.startswith("heads.") for name in shared)
    again = copy.deepcopy(whole)
    assert again.head("tags").bert.encoder is again.trunk.encoder  # type: ignore[union-attr]


def test_one_model_for_two_tasks_is_shared_whole() -> None:
    torch.manual_seed(0)
    model = transformers.AutoModelForSeq2SeqLM.from_config(tiny.configs["t5"]())
    whole = share({"summaries": model, "titles": model})
    assert shared_parameters(whole) == set(dict(whole.named_parameters()))
    labels = transformers.AutoModelForSequenceClassification.from_config(tiny.configs["t5"]())
    both = share({"summaries": model, "labels": labels})
    assert labels.transformer.encoder is model.encoder
    assert len(shared_parameters(both)) > 20


def test_models_without_a_part_in_common_are_refused() -> None:
    gpt = transformers.AutoModelForSequenceClassification.from_config(tiny.configs["gpt2"]())
    with pytest.raises(InputError, match="task other: its model shares no layer with that of topics"):
        share({"topics": three()["topics"], "other": gpt})


def test_what_a_copy_has_in_common_with_its_base_is_there_once() -> None:
    base, other = tiny.bert(num_labels=2), tiny.bert(num_labels=2)
    with torch.no_grad():
        other.classifier.weight += 1
    before = {name: weight.clone() for name, weight in other.named_parameters()}
    lean(other, base)
    known = dict(base.named_parameters())
    assert {name for name, weight in other.named_parameters() if weight.data_ptr() != known[name].data_ptr()} == {"classifier.weight"}
    assert all(torch.equal(weight, before[name]) for name, weight in other.named_parameters())
