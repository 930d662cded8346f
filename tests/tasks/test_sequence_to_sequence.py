"""Sequence to sequence: with every kind of model, and the mistakes of a newcomer."""

from __future__ import annotations

import json
import math
import string
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

import tiny
from training import TRAINING
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.task import RowError
from tunesmith.data.columns import find
from tunesmith.data.encode import Encoded
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import predict
from tunesmith.model.build import build_for
from tunesmith.model.translation import language_tokens, tell
from tunesmith.run import train
from tunesmith.tasks.sequence_to_sequence import SequenceToSequence
from tunesmith.tuned import load as load_tuned

LONGER = replace(TRAINING, steps=60, learning_rate=1e-2, batch_size=12)
ROWS = [
    {"source": f"{i} the {word} was {word} , yes", "target": f"{word} film"} for i in range(3) for word in ("good", "sad", "dull", "slow")
]


def model_of(family: str, folder: Path) -> str:
    if family == "two berts":
        bert = tiny.folder(folder)
        return f"encoder={bert},decoder={bert}"
    return str(tiny.folder(folder, family))


@pytest.mark.parametrize("family", ["t5", "bart", "marian", "two berts", "gpt2", "llama"])
def test_every_kind_of_model_learns_to_write(family: str, tmp_path: Path) -> None:
    task = SequenceToSequence(max_source_length=16, max_target_length=5, template="{source} :")
    task.learn(ROWS)
    torch.manual_seed(0)
    model = build_for(task, model_of(family, tmp_path))
    rows = [task.read(row) for row in ROWS]
    encoded = Encoded([task.encode(rows, model.tokenizer)])
    fitted = fit(model, task, encoded, [], LONGER, None, [])
    found = predict(Forward(fitted.run.model.eval()), encoded, task, model.tokenizer)
    scores = task.metrics(found, rows)
    assert scores[task.primary] > 0.6, found


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_texts_of_a_decoder_share_rows_and_have_the_losses_that_they_have_alone(family: str, tmp_path: Path) -> None:
    task = SequenceToSequence(max_source_length=24, max_target_length=5, template="{source} :")
    sources = ("the film was good , and the music was very very good too", "a dog", "the cat", "a man")
    rows = [{"source": source, "target": "good film"} for source in sources]
    task.learn(rows)
    torch.manual_seed(0)
    model = build_for(task, model_of(family, tmp_path))
    items = list(Encoded([task.encode([task.read(row) for row in rows], model.tokenizer)]))
    found = []
    assert task.packed
    for task.packed in (True, False):
        batch = task.collate(items, model.tokenizer)
        loss = task.objective(batch, Forward(model.module))
        found.append((float(loss.sum.detach()), loss.count, len(batch.inputs["input_ids"])))
    (together, tokens, fewer), (alone, same, all_rows) = found
    assert together == pytest.approx(alone, rel=1e-5)
    assert tokens == same
    assert fewer < all_rows == 4


def test_a_whole_run_with_two_models(tmp_path: Path) -> None:
    bert = str(tiny.folder(tmp_path))
    data = {"train": ROWS, "test": ROWS[:3]}
    report = train(
        model={"encoder": bert, "decoder": bert},
        task={"sequence_to_sequence": {"max_target_length": 4, "kind": "summary"}},
        data=data,
        training={"steps": 2, "batch_size": 6, "precision": "float32"},
        runs=tmp_path / "runs",
    )
    assert math.isfinite(report.scores["tuned"]["rouge_l"])
    assert set(report.scores["baselines"]) == {"first_sentence"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"source": "", "target": "x"}, "the text is empty"),
        ({"source": "x", "target": " "}, "there is nothing to write"),
        ({"source": 3, "target": "x"}, "3 is no text"),
        ({"source": "x", "target": [["y"]]}, "is no text, nor a list of texts"),
    ],
)
def test_bad_rows(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        SequenceToSequence().read(row)


def test_a_template_that_no_column_fills() -> None:
    task = SequenceToSequence(template="{target_language}: {source}")
    with pytest.raises(InputError, match=r"\{target_language\}, and no column is known as that. Say which: data.columns"):
        task.learn(ROWS)
    with pytest.raises(RowError, match="the template needs the target_language"):
        task.read(ROWS[0])
    assert task.read({**ROWS[0], "target_language": "fr"})["target_language"] == "fr"


def test_settings_that_do_not_go_together() -> None:
    with pytest.raises(InputError, match="does not say where the source goes"):
        SequenceToSequence(template="summarize")
    with pytest.raises(InputError, match="length_penalty is read in a beam search alone"):
        SequenceToSequence(length_penalty=2.0)


@pytest.mark.parametrize(("kind", "names"), [("summary", "rouge_l"), ("translation", "chrf"), ("answer", "f1")])
def test_what_decides_follows_the_kind(kind: str, names: str) -> None:
    task = SequenceToSequence(kind=kind)
    assert task.primary == names
    rows = [{"source": "x", "target": ["a good film", "fine"]}]
    best = task.metrics([{"text": "fine"}], rows)
    assert best[names] in (pytest.approx(1.0), pytest.approx(100.0))
    assert task.correct([{"text": "fine"}], rows) == [pytest.approx(1.0)]
    assert task.correct([{"text": ""}], rows) == [0.0]
    assert task.shown(rows[0], {"text": "fine"}) == {"text": "x", "predicted": "fine", "truth": "fine"}
    assert task.shown(rows[0], {"text": "no"})["truth"] == "a good film"


def test_the_number_of_tokens_cut_is_known(tmp_path: Path) -> None:
    task = SequenceToSequence(max_source_length=500)
    model = build_for(task, str(tiny.folder(tmp_path, "bart")))
    task.kind = "summary"
    [item] = task.encode([task.read({"source": "good " * 90, "target": "yes"})], model.tokenizer)
    assert item["truncated"] == 92 - 64


LANGUAGES = {"nllb": ["fra_Latn", "eng_Latn"], "mbart": ["fr_XX", "en_XX"], "mbart50": ["fr_XX", "en_XX"], "m2m100": ["fr", "en"]}
SIDE = {"layers": 2, "ffn_dim": 64, "attention_heads": 2}
PAIRS = [{"source": "un bon film", "target": "a good film"}, {"source": "le chat", "target": "the very big cat"}]


@pytest.mark.parametrize("family", LANGUAGES)
def test_a_model_of_many_languages_learns_as_in_transformers_and_writes_the_target(family: str, tmp_path: Path, monkeypatch: Any) -> None:
    languages = LANGUAGES[family]
    task = SequenceToSequence(kind="translation", languages=languages, max_target_length=24)
    if family == "m2m100":
        module, tokenizer = letters(tmp_path, monkeypatch)
        task.meet(module, tokenizer)
    else:
        model = build_for(task, str(tiny.translator(tmp_path, family)))
        module, tokenizer = model.module, model.tokenizer
    rows = [task.read({**row, "target_language": "English"}) for row in PAIRS]  # which stands in no template of such a model
    items = list(Encoded([task.encode(rows, tokenizer)]))
    tokenizer.src_lang, tokenizer.tgt_lang = languages
    texts = [[row[role] for row in PAIRS] for role in ("source", "target")]
    theirs = tokenizer(texts[0], text_target=texts[1])
    assert [item["input_ids"] for item in items] == theirs["input_ids"]
    assert [item["labels"] for item in items] == theirs["labels"]
    source, target = ([language_tokens(tokenizer)[name]] for name in languages)
    assert [name for name in tokenizer.convert_ids_to_tokens(theirs["input_ids"][0]) if name in source + target] == source
    assert [name for name in tokenizer.convert_ids_to_tokens(theirs["labels"][0]) if name in source + target] == target
    padded = tokenizer(texts[0], text_target=texts[1], padding=True, return_tensors="pt")
    padded["labels"] = padded["labels"].masked_fill(padded["labels"] == tokenizer.pad_token_id, -100)
    batch = task.collate(items, tokenizer)
    ours = task.objective(batch, Forward(module))
    assert ours.sum.item() / ours.count == pytest.approx(module(**padded).loss.item(), rel=1e-5)
    tell(module, tokenizer, languages[::-1])  # as another task would that shares the model
    seen: list[Any] = []
    module.get_decoder().register_forward_pre_hook(lambda _, args, inputs: seen.append(inputs["input_ids"][:, -1]), with_kwargs=True)
    task.answer(batch, Forward(module), tokenizer)
    assert tokenizer.convert_ids_to_tokens(seen[0 if family == "mbart" else 1]) == target * 2  # the first mBART begins with it


def test_a_run_with_a_model_of_many_languages_leaves_one_that_writes_the_target_anywhere(tmp_path: Path) -> None:
    rows = [{"source": f"{word} film {word}", "target": f"{word}"} for word in ("bon", "nul", "long", "court", "triste", "beau")]
    keys: dict[str, Any] = {"model": str(tiny.translator(tmp_path, "nllb")), "data": {"train": rows, "test": rows[:2]}}
    keys |= {"training": {"steps": 2, "batch_size": 4, "precision": "float32"}, "runs": tmp_path / "runs"}
    with pytest.raises(InputError, match="The model knows many languages, and is not told which"):
        train(task="sequence_to_sequence", **keys)
    with pytest.raises(InputError, match=r"none is called 'french'. Nearest: fra_Latn"):
        train(task={"sequence_to_sequence": {"languages": ["french", "eng_Latn"]}}, **keys)
    report = train(task={"sequence_to_sequence": {"languages": ["fra_Latn", "deu_Latn"], "max_target_length": 5}}, **keys)
    reader = transformers.AutoTokenizer.from_pretrained(report.folder / "model")
    module = transformers.AutoModelForSeq2SeqLM.from_pretrained(report.folder / "model")
    inputs = reader(["bon film"], return_tensors="pt")
    assert reader.convert_ids_to_tokens(inputs["input_ids"][0])[0] == "fra_Latn"
    assert reader.convert_ids_to_tokens(module.generate(**inputs, max_new_tokens=4)[0])[1] == "deu_Latn"
    again = load_tuned(report.folder)
    [here], [elsewhere] = again.predict(["bon film"]), load_tuned(report.folder / "model").predict(["bon film"])
    assert elsewhere["text"].startswith(here["text"])  # which ends after five tokens
    assert again.model.module.generation_config.forced_bos_token_id == reader.convert_tokens_to_ids("deu_Latn")
    with pytest.raises(InputError, match=r"task.languages is for models of many languages, and this one is not"):
        train(task={"sequence_to_sequence": {"languages": ["fr", "en"]}}, **keys | {"model": str(tiny.folder(tmp_path, "t5")), "run": "t5"})


def letters(path: Path, monkeypatch: Any) -> tuple[Any, Any]:
    """A tiny M2M100, letter by letter: its tokenizer wants sentencepiece, which need not be there."""

    class Letters(SimpleNamespace):
        def Load(self, path: str) -> None:  # noqa: N802
            """What there is to load is known."""

        def encode(self, text: str, out_type: type) -> list[str]:
            return ["▁", *text.replace(" ", "▁")]

        def decode(self, pieces: list[str]) -> str:
            return "".join(pieces).replace("▁", " ").strip()

    monkeypatch.setitem(sys.modules, "sentencepiece", SimpleNamespace(SentencePieceProcessor=Letters))
    from transformers.models.m2m_100.tokenization_m2m_100 import M2M100Tokenizer

    vocabulary = path / "vocab.json"
    vocabulary.write_text(json.dumps({piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", "▁", *string.ascii_lowercase])}))
    codes: list[Any] = ["__en__", "__fr__"]
    tokenizer = M2M100Tokenizer(str(vocabulary), str(vocabulary), additional_special_tokens=codes, model_max_length=64)
    size = tokenizer.convert_tokens_to_ids("__zu__") + 1
    sides = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in SIDE.items()}
    config = transformers.M2M100Config(vocab_size=size, d_model=32, max_position_embeddings=72, **sides)
    return transformers.M2M100ForConditionalGeneration(config).eval(), tokenizer


def test_a_source_beside_questions_says_where_they_come_from() -> None:
    columns = SequenceToSequence().columns()
    assert find(columns, ["id", "question", "answers", "source"]) == {"source": "question", "target": "answers"}
    assert find(columns, ["source", "target"]) == {"source": "source", "target": "target"}
