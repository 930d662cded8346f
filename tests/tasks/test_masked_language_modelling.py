"""Masked language modelling: masks are filled, held-out texts are judged alike each time, and only masked positions are computed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.data.encode import Encoded
from tunesmith.evaluate.score import predict
from tunesmith.model.build import Model, build_for
from tunesmith.tasks.masked_language_modelling import MaskedLanguageModelling


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    torch.manual_seed(0)
    return build_for(MaskedLanguageModelling(), str(tiny.folder(tmp_path_factory.mktemp("bert"))))


def answers(model: Model, texts: list[str], **settings: Any) -> list[dict[str, Any]]:
    task = MaskedLanguageModelling(**settings)
    data = Encoded([task.encode([task.asked({"text": text}) for text in texts], model.tokenizer)])
    return predict(Forward(model.module.eval()), data, task, model.tokenizer)


def test_masks_are_filled_with_the_likeliest_tokens(model: Model) -> None:
    one, two = answers(model, ["a good [MASK] in [MASK]", "a [MASK]"], num_answers=3)
    assert [len(line) for line in one["masks"]] == [3, 3]
    assert one["right"] == [None, None]
    assert one["loss"] == 0
    ids = torch.tensor([model.tokenizer("a [MASK]")["input_ids"]])
    chances = model.module(input_ids=ids).logits[0, 2].softmax(dim=0)
    best = chances.topk(3)
    assert [line["token"] for line in two["masks"][0]] == model.tokenizer.convert_ids_to_tokens(best.indices.tolist())
    assert [line["probability"] for line in two["masks"][0]] == pytest.approx(best.values.tolist(), abs=1e-5)
    task = MaskedLanguageModelling()
    assert task.metrics([one, two], [{}, {}]) == {}
    assert "truth" not in task.shown({"text": "a [MASK]"}, two)


def test_perplexity_is_that_of_the_masked_tokens(model: Model) -> None:
    texts = ["the man loved a good film in paris", "it was a fine day for the dog"]
    found = answers(model, texts, rate=0.4)
    scores = MaskedLanguageModelling().metrics(found, [{}, {}])
    losses = []
    for prediction, text in zip(found, texts, strict=True):
        ids = model.tokenizer(text)["input_ids"]
        shown = model.tokenizer(prediction["masked"])["input_ids"]
        logits = model.module(input_ids=torch.tensor([shown])).logits[0].detach().log_softmax(dim=1)
        losses += [-float(logits[place, ids[place]]) for place, token in enumerate(shown) if token == tiny.MASK]
    assert scores["tokens"] == len(losses) > 2
    assert scores["perplexity"] == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-4)


def test_a_model_without_masks_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny.tokenizer()
    with pytest.raises(InputError, match="have a decoder"):
        MaskedLanguageModelling().meet(tiny.base("bart"), tokenizer)
    tokenizer.mask_token = None
    with pytest.raises(InputError, match="no token that masks"):
        MaskedLanguageModelling().meet(tiny.base("bert"), tokenizer)
