"""The files of sentence-transformers: what its own ``save`` writes for the same model, as far as it reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunesmith.core.errors import InputError
from tunesmith.data.sentence_folder import beside_the_model, pooling_of, prefix_of


@pytest.mark.parametrize(("pooling", "mode"), [("mean", "mean_tokens"), ("cls", "cls_token"), ("last", "lasttoken")])
def test_one_pooling_is_on(pooling: str, mode: str) -> None:
    found = beside_the_model(pooling, 384, 128)["1_Pooling/config.json"]
    assert found["word_embedding_dimension"] == 384
    assert [name for name, value in found.items() if value is True] == [f"pooling_mode_{mode}"]


def test_modules_stand_in_order_with_their_places() -> None:
    files = beside_the_model("mean", 384, 128)
    assert [(module["idx"], module["path"], module["type"].rpartition(".")[2]) for module in files["modules.json"]] == [
        (0, "", "Transformer"),
        (1, "1_Pooling", "Pooling"),
        (2, "2_Normalize", "Normalize"),
    ]
    assert files["sentence_bert_config.json"]["max_seq_length"] == 128
    assert files["config_sentence_transformers.json"]["similarity_fn_name"] == "cosine"


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_the_pooling_is_read_as_it_was_written(pooling: str, tmp_path: Path) -> None:
    assert pooling_of(tmp_path) == "mean"
    file = tmp_path / "1_Pooling" / "config.json"
    file.parent.mkdir()
    written = beside_the_model(pooling, 384, 128)["1_Pooling/config.json"]
    file.write_text(json.dumps(written), encoding="utf-8")
    assert pooling_of(tmp_path) == pooling
    file.write_text(json.dumps({**written, "pooling_mode_max_tokens": True}), encoding="utf-8")
    with pytest.raises(InputError, match="max_tokens"):
        pooling_of(tmp_path)


@pytest.mark.parametrize(
    ("prompts", "prefix"),
    [
        ({"query": "query: ", "passage": "passage: "}, "query: "),
        ({"query": "find: ", "document": ""}, ""),  # for retrieval alone
        ({"search_query": "search_query: ", "classification": "classification: "}, "classification: "),
        ({"STS": "alike: ", "query": "find: "}, "alike: "),
    ],
)
def test_prompts_say_what_texts_begin_with(prompts: dict[str, str], prefix: str, tmp_path: Path) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}), encoding="utf-8")
    assert prefix_of(tmp_path, ["multilingual-e5-small"]) == prefix


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        *[("intfloat/multilingual-e5-small", "query: "), ("e5-base-v2", "query: "), ("my_e5-large", "query: ")],
        *[("intfloat/multilingual-e5-large-instruct", ""), ("all-MiniLM-L6-v2", ""), ("note5-small", "")],
    ],
)
def test_without_prompts_the_name_says_it(name: str, prefix: str, tmp_path: Path) -> None:
    assert prefix_of(tmp_path, ["", name]) == prefix
    beside = beside_the_model("mean", 384, 128)["config_sentence_transformers.json"]
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(beside), encoding="utf-8")
    assert prefix_of(tmp_path, [name]) == prefix
