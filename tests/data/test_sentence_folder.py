"""The files of sentence-transformers: what its own ``save`` writes for the same model, as far as it reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.data.sentence_folder import Prompts, beside_the_model, pooling_of, prefix_of, prompts_of, told


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


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"prompts": {"query": "find: ", "document": "text: "}}, Prompts("find: ", "find: ", "text: ")),
        ({"prompts": {"query": "find: ", "document": ""}}, Prompts("", "find: ", "")),
        ({"prompts": {"search_query": "sq: ", "search_document": "sd: ", "clustering": "c: "}}, Prompts("c: ", "sq: ", "sd: ")),
        ({"prompts": {"any": "a: "}, "default_prompt_name": "any"}, Prompts("a: ", "a: ", "a: ")),
        ({"prompts": {}}, Prompts("query: ", "query: ", "passage: ")),
    ],
)
def test_queries_and_passages_have_prompts_of_their_own(content: dict[str, Any], expected: Prompts, tmp_path: Path) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(content), encoding="utf-8")
    assert prompts_of(tmp_path, ["multilingual-e5-small"]) == expected
    assert prompts_of(tmp_path / "nowhere", ["all-MiniLM-L6-v2"]) == Prompts()


@pytest.mark.parametrize("prompts", [("query: ", "passage: "), ("query: ", "query: "), ("", "passage: "), ("", "")])
def test_prompts_are_read_as_they_were_written(prompts: tuple[str, str], tmp_path: Path) -> None:
    written = beside_the_model("mean", 384, 128, prompts)["config_sentence_transformers.json"]
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(written), encoding="utf-8")
    found = prompts_of(tmp_path, [])
    assert found.of(True, None, None) == prompts
    assert prompts[0] != prompts[1] or found.of(False, None, None) == prompts
    assert found.of(True, "q", "") == ("q", "")


def test_what_texts_begin_with_is_told() -> None:
    assert told(("", "")) == []
    assert told(("query: ", "query: ")) == ["task: each text begins with 'query: ' for the model"]
    assert "'query: ', and what it is compared with with 'passage: '" in told(("query: ", "passage: "))[0]
