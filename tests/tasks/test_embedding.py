"""Embeddings of every kind of rows: what is learned, compared, judged, and saved for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModel

import tiny
import tunesmith
from training import TRAINING
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.task import Row
from tunesmith.data.encode import Encoded
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.tasks.embedding import Embedding

ROWS: dict[str, list[Row]] = {
    "pairs": [
        {"anchor": "the film", "positive": "a movie"},
        {"anchor": "the music", "positive": "a sad song"},
        {"anchor": "a cat", "positive": "dog"},
    ],
    "triplets": [
        {"anchor": "the film", "positive": "a movie", "negative": "a dog"},
        {"anchor": "the music", "positive": "a sad song", "negative": "a movie"},
    ],
    "scored": [
        {"anchor": "the film", "positive": "a movie", "score": 4},
        {"anchor": "the music", "positive": "a cat", "score": 0},
        {"anchor": "a good day", "positive": "a bad day", "score": 2},
    ],
    "unsupervised": [{"anchor": "the film was good"}, {"anchor": "a sad song"}, {"anchor": "it is a fine day in paris"}],
}


def learned(kind: str, **settings: Any) -> tuple[Embedding, list[Row]]:
    task = Embedding(**({"max_length": 16} | settings))
    assert task.learn(ROWS[kind])
    assert task.kind == kind
    return task, [task.read(row) for row in ROWS[kind]]


def built(task: Embedding, folder: Path, family: str = "bert") -> Model:
    torch.manual_seed(0)
    return build_for(task, str(tiny.folder(folder, family)))


def answers(task: Embedding, rows: list[Row], model: Model) -> list[Any]:
    return predict(Forward(model.module.eval()), Encoded([task.encode(rows, model.tokenizer)]), task, model.tokenizer)


def loss(task: Embedding, rows: list[Row], model: Model) -> Loss:
    encoded = Encoded([task.encode(rows, model.tokenizer)])
    with torch.no_grad():
        return task.objective(task.collate([encoded[row] for row in range(len(encoded))], model.tokenizer), Forward(model.module))


@pytest.mark.parametrize(("pooling", "family"), [("mean", "bert"), ("cls", "bert"), ("last", "llama"), ("mean", "gpt2")])
def test_a_vector_is_the_pooled_states_at_length_1(tmp_path: Path, pooling: str, family: str) -> None:
    task, read = learned("pairs", pooling=pooling)
    model = built(task, tmp_path, family)
    for row, found in zip(read, answers(task, read, model), strict=True):
        coded = {name: value for name, value in model.tokenizer(row["texts"][0], return_tensors="pt").items() if name != "token_type_ids"}
        states = model.module(**coded).last_hidden_state[0]
        expected = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling]
        assert torch.allclose(torch.tensor(found["vector"]), F.normalize(expected, dim=0), atol=1e-5)
        assert found["similarities"] == pytest.approx([float(torch.tensor(found["vector"]) @ torch.tensor(found["vectors"][0]))], abs=1e-5)


@pytest.mark.parametrize("kind", ROWS)
def test_the_loss_is_that_of_the_vectors(tmp_path: Path, kind: str) -> None:
    task, read = learned(kind)
    model = built(task, tmp_path)
    found, given = answers(task, read, model), loss(task, read, model)
    first = torch.tensor([one["vector"] for one in found])
    if kind == "scored":
        cosines = torch.tensor([one["similarities"][0] for one in found])
        gaps = torch.stack([cosines[1] - cosines[0], cosines[1] - cosines[2], cosines[2] - cosines[0]]) / task.temperature
        assert float(given.mean) == pytest.approx(float((1 + gaps.exp().sum()).log()), rel=1e-4)
        return
    others = first if kind == "unsupervised" else torch.tensor([vector for one in found for vector in one["vectors"]])
    own = torch.arange(len(read)) * (len(others) // len(read))
    scores = first @ others.T / task.temperature
    if len(others) > len(read):
        scores[0, 3] = -torch.inf  # its own positive, which another row has as negative
    assert float(given.sum) == pytest.approx(float(F.cross_entropy(scores, own, reduction="sum")), rel=1e-4)
    assert given.count == len(read)


def test_scores_themselves_can_be_learned(tmp_path: Path) -> None:
    task = Embedding(loss="cosine_mse")
    rows = [row | {"score": row["score"] / 4} for row in ROWS["scored"]]
    task.learn(rows)
    read, model = [task.read(row) for row in rows], built(task, tmp_path)
    errors = [(one["similarities"][0] - row["score"]) ** 2 for one, row in zip(answers(task, read, model), read, strict=True)]
    assert float(loss(task, read, model).sum) == pytest.approx(sum(errors), rel=1e-4)


@pytest.mark.parametrize("kind", ROWS)
def test_each_kind_learns(tmp_path: Path, kind: str) -> None:
    task, read = learned(kind)
    model = built(task, tmp_path)
    before = float(loss(task, read, model).mean)
    fit(model, task, Encoded([task.encode(read, model.tokenizer)]), [], replace(TRAINING, batch_size=len(read), steps=10), None, [])
    assert float(loss(task, read, model).mean) < before


@pytest.mark.parametrize("kind", ROWS)
def test_each_kind_is_judged(tmp_path: Path, kind: str) -> None:
    task, read = learned(kind)
    found = answers(task, read, built(task, tmp_path))
    scores, correct = task.metrics(found, read), task.correct(found, read)
    assert {"pairs": "mrr", "scored": "spearman", "triplets": "triplet_accuracy", "unsupervised": "recall@1"}[kind] in scores
    assert task.primary in scores
    assert len(correct) == len(read)
    assert all(0 <= value <= 1 for value in correct)
    assert kind == "scored" or scores["mrr"] == pytest.approx(sum(correct) / len(correct))
    for baseline in task.baselines(read, read).values():
        assert task.primary in task.metrics(baseline, read)
    assert all(task.shown(row, one).keys() >= {"text", "predicted"} for row, one in zip(read, found, strict=True))


def test_triplets_are_judged_by_the_nearer_text() -> None:
    task, read = learned("triplets")
    found = [{"vector": [1.0, 0.0], "vectors": [[0.6, 0.8], [a, 1 - a]], "similarities": [0.6, a]} for a in (0.5, 0.7)]
    assert task.metrics(found, read)["triplet_accuracy"] == 0.5


def test_who_asks_gets_a_vector_of_a_text_and_the_similarity_of_two() -> None:
    assert learned("pairs")[0].asked({"texts": ["a", "b"]}) == {"texts": ["a"]}
    assert learned("unsupervised")[0].asked({"texts": ["a b", "a", "b"]}) == {"texts": ["a b"]}
    assert learned("scored")[0].asked({"texts": ["a", "b"], "score": 1.0}) == {"texts": ["a", "b"], "score": 1.0}


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("pairs", {"loss": "cosine_mse"}, r"task\.loss is not read: rows are pairs"),
        ("scored", {"loss": "cosine_mse"}, r"cosine_mse needs scores from -1 to 1, and they are 0 to 4\. Divide them by 4, or take cosent"),
    ],
)
def test_settings_that_do_not_fit_are_refused(kind: str, settings: Row, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Embedding(**settings).learn(ROWS[kind])


@pytest.mark.parametrize(
    ("family", "pooling", "message"), [("t5", "mean", "read one text to write another"), ("llama", "cls", "sees nothing of a text")]
)
def test_models_that_do_not_fit_are_refused(tmp_path: Path, family: str, pooling: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        built(learned("pairs", pooling=pooling)[0], tmp_path, family)


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"batch_size": 4, "micro_batch": 1}])
def test_rows_that_have_nobody_to_be_compared_with_are_refused(tmp_path: Path, settings: Row) -> None:
    task, read = learned("pairs")
    model = built(task, tmp_path)
    with pytest.raises(
        InputError, match=r"compares the rows of a micro-batch with each other, and there is one in each\. Raise training\.batch_size"
    ):
        fit(model, task, Encoded([task.encode(read, model.tokenizer)]), [], replace(TRAINING, **settings), None, [])


def test_the_files_say_how_vectors_are_made() -> None:
    files = learned("pairs", pooling="cls")[0].files(AutoModel.from_config(tiny.configs["bert"]()))
    assert files["1_Pooling/config.json"]["word_embedding_dimension"] == 32
    assert files["1_Pooling/config.json"]["pooling_mode_cls_token"]
    assert files["sentence_bert_config.json"]["max_seq_length"] == 16


def e5(folder: Path) -> str:
    """A tiny model that is known as E5 by its name."""
    return str(tiny.folder(folder, "bert").rename(folder / "e5-small"))


@pytest.mark.parametrize(
    ("kind", "settings", "prompts"),
    [
        ("pairs", {}, ("query: ", "passage: ")),
        ("scored", {}, ("query: ", "query: ")),
        ("unsupervised", {}, ("query: ", "query: ")),
        ("triplets", {"query_prompt": "find: ", "passage_prompt": ""}, ("find: ", "")),
    ],
)
def test_texts_begin_as_the_model_wants_it(tmp_path: Path, kind: str, settings: Row, prompts: tuple[str, str]) -> None:
    task, read = learned(kind, **settings)
    said: list[str] = []
    model = build_for(task, e5(tmp_path), said.append)
    assert task.prompts == prompts
    assert any(f"'{prompts[0]}'" in line for line in said)
    begun = [{**row, "texts": [prompts[place > 0] + text for place, text in enumerate(row["texts"])]} for row in read]
    plain, _ = learned(kind, query_prompt="", passage_prompt="")
    for one, other in zip(answers(task, read, model), answers(plain, begun, model), strict=True):
        assert one == other
    written = task.files(model.module)["config_sentence_transformers.json"]
    assert written["prompts"] == {"query": prompts[0], "passage": prompts[1]}
    assert written["default_prompt_name"] == ("query" if prompts[0] == prompts[1] else None)


def test_a_run_of_e5_is_loaded_with_its_prompts(tmp_path: Path) -> None:
    data = {"train": ROWS["pairs"] * 4, "validation": ROWS["pairs"]}
    keys: dict[str, Any] = {"task": "embedding", "baselines": False, "data": data, "training": {"steps": 1, "batch_size": 3}}
    run = tunesmith.train(keys | {"model": e5(tmp_path)}, run="e5", runs=tmp_path / "runs").folder
    for place, kind in ((run, ""), (run / "model", "embedding")):
        tuned = tunesmith.load(place, kind=kind) if kind else tunesmith.load(place)
        assert isinstance(tuned.task, Embedding)
        assert (tuned.task._known.query, tuned.task._known.passage) == ("query: ", "passage: ")
