"""Paraphrases: what a model is asked, by its kind and by the script of the text, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
from training import tiny_fit
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.strategies.paraphrase import PROMPTS, Paraphrase


@pytest.fixture
def run(said: list[str]) -> Run:
    run = tiny_fit(None, steps=1).run
    run.say = said.append
    return run


class Tokenizer:
    """Token ids that are letters, so that prompts can be read."""

    eos_token_id = sep_token_id = -1

    def __call__(self, texts: list[str], **settings: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [list(map(ord, text)) for text in texts]}

    def apply_chat_template(self, turns: Any, **settings: Any) -> list[str]:
        return [f"<user>{turn[0]['content']}<assistant>" for turn in turns]


def asked(strategy: Paraphrase, form: str, text: str, run: Run) -> str:
    [author] = strategy.writer(run, [text]).authors  # type: ignore[attr-defined]
    return "".join(map(chr, author.ask(Tokenizer(), form, [text], 500)[0]))


def test_what_is_asked_is_in_the_way_of_model_and_script(run: Run, tmp_path: Path) -> None:
    strategy = Paraphrase(model=str(tiny.writer(tmp_path)))
    assert asked(strategy, "encoder_decoder", "a film", run) == "paraphrase: a film"
    assert asked(strategy, "decoder", "a film", run) == "Text: a film\nThe same in other words:"
    assert asked(strategy, "decoder", "很好看", run) == "原文：很好看\n换一种说法："
    assert asked(strategy, "chat", "很好看", run) == f"<user>{PROMPTS['chat'][1].format(text='很好看')}<assistant>"
    own = Paraphrase(model=strategy.model, prompt="Again: {text}")
    assert asked(own, "chat", "a film", run) == "<user>Again: a film<assistant>"


def test_rows_are_written_anew(run: Run, said: list[str], tmp_path: Path) -> None:
    strategy = Paraphrase(model=str(tiny.writer(tmp_path)), share=1.0, stretch=50.0)
    strategy.begin(run)
    assert said[0] == f"paraphrase: bart writes {len(run.train)} of {len(run.train)} rows anew"
    assert all(versions[0]["label"] == run.train[row]["label"] for row, versions in strategy._versions.items())
    assert strategy._versions


def test_settings_that_cannot_do_are_refused() -> None:
    with pytest.raises(InputError, match="no model is named that writes"):
        Paraphrase()
    with pytest.raises(InputError, match=r"must have \{text\} in it"):
        Paraphrase(model="sample:smollm2", prompt="Say it again")
