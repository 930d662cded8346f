"""Models that write: each text by its own random numbers, what does not end, and models that cannot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.model.decoding import Decoding
from tunesmith.model.sources import resolve
from tunesmith.model.writer import Author, Relay, bare, form_of

TEXTS = ["a good film", "the worst story of a very poor man", "a cat in paris"]


def ask(tokenizer: Any, form: str, texts: Sequence[str], limit: int) -> list[list[int]]:
    return [tokenizer(text)["input_ids"][: -1 if form == "decoder" else None] for text in texts]


@pytest.fixture(scope="module")
def run() -> Run:
    return tiny_fit(None, steps=1).run


@pytest.fixture
def author(run: Run, tmp_path: Path) -> Author:
    return Author(str(tiny.writer(tmp_path)), "strategy: there", ask, Decoding(temperature=1.0), 20.0, run)


def test_a_text_depends_on_its_seed_and_not_on_those_beside_it(author: Author) -> None:
    together = author.write(TEXTS, [3, 1, 4])
    assert together == [author.write([text], [seed])[0] for text, seed in zip(TEXTS, [3, 1, 4], strict=True)]
    assert together != author.write(TEXTS, [5, 9, 2])
    assert any(together)


def test_a_text_that_does_not_end_in_time_is_none(author: Author) -> None:
    author._loaded().module.final_logits_bias[0, tiny.SEP] = -100.0  # type: ignore[index, operator, union-attr]
    assert author.write(TEXTS[:1], [0]) == [""]


def test_a_decoder_goes_on(run: Run, tmp_path: Path) -> None:
    author = Author(str(tiny.writer(tmp_path, "llama")), "strategy: model", ask, Decoding(temperature=1.0), 30.0, run)
    found = author.write(TEXTS * 8, range(24))
    assert author.form == "decoder"
    assert any(found)
    tokenizer = tiny.tokenizer(token_types=False)
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    tokenizer.save_pretrained(tmp_path / "llama")
    chat = replace(author, loaded={})
    chat.write(TEXTS, range(3))
    assert chat.form == "chat"


def test_each_author_reads_what_the_one_before_wrote(author: Author) -> None:
    relay = Relay([author, replace(author)])
    assert relay.write(TEXTS, [3, 1, 4]) != author.write(TEXTS, [3, 1, 4])
    assert relay.write(["", TEXTS[0]], [0, 3]) == ["", relay.write(TEXTS[:1], [3])[0]]
    assert relay.name == "bart"


def test_the_key_tells_files_apart(author: Author, run: Run) -> None:
    before = author.key
    assert replace(author).key == before
    assert replace(author, stretch=3.0).key != before
    config = author.source.path / "generation_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"extra": 1}))
    assert replace(author).key != before


def test_cosines_of_rows(run: Run) -> None:
    rows = [run.train[i] for i in range(4)]
    training = run.model.training
    found = Relay([]).likeness(run, rows, [rows[0], *rows[2:], rows[1]])
    assert found[0] == pytest.approx(1.0)
    assert found[1] < 0.9999
    assert run.model.training is training
    inner = run.model.base_model
    with torch.no_grad():
        run.model.eval()
        first, other = (inner(torch.tensor([row["input_ids"]]))[0].mean(dim=1) for row in rows[1:3])  # type: ignore[operator]
        run.model.train(training)
    assert found[1] == pytest.approx(float(torch.cosine_similarity(first, other)), abs=1e-5)


def test_models_that_write_nothing_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"strategy: model: .* is a bert model, which writes no texts"):
        Author(str(tiny.folder(tmp_path)), "strategy: model", ask, Decoding(), 2.0, run)
    headless = tiny.folder(tmp_path, "qwen2")
    with pytest.raises(InputError, match="has no head that writes"):
        Author(str(headless), "strategy: model", ask, Decoding(), 2.0, run).write(TEXTS, range(3))
    assert form_of(resolve(str(tiny.folder(tmp_path, "t5"))), "") == "encoder_decoder"


def test_authors_share_a_model_and_each_tells_it_its_languages(run: Run, tmp_path: Path) -> None:
    there = Author(str(tiny.translator(tmp_path, "mbart50")), "there", ask, Decoding(), 9.0, run, ("en_XX", "fr_XX"))
    back = replace(there, told=("fr_XX", "en_XX"))
    assert there._loaded() is back._loaded()
    codes = there._loaded().tokenizer.lang_code_to_id
    for author, (source, target) in ((there, ("en_XX", "fr_XX")), (back, ("fr_XX", "en_XX"))):
        author.write(TEXTS[:1], [0])
        model = author._loaded()
        assert model.tokenizer.src_lang == source
        assert model.module.generation_config.forced_bos_token_id == codes[target]  # type: ignore[union-attr]
    assert there.key != back.key


def test_what_stands_around_a_text() -> None:
    found = {' "a film" ': "a film", "“很好”": "很好", "the 'film'": "the 'film'", '"': '"', "'a' and 'b": "'a' and 'b"}
    assert {text: bare(text) for text in found} == found
