"""Chat: what is read, learned, judged and answered."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from training import TRAINING
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.observer import Observer
from tunesmith.core.task import Row, RowError
from tunesmith.data.chat_template import JOINED, TURNS
from tunesmith.data.encode import Encoded
from tunesmith.engine.loop import fit
from tunesmith.evaluate.score import predict
from tunesmith.model.apart import ALONE
from tunesmith.model.build import Model, build_for
from tunesmith.strategies.neftune import NEFTune
from tunesmith.tasks.chat import Chat

TALK = [
    {"role": "user", "content": "is the film good ?"},
    {"role": "assistant", "content": "yes , very good"},
    {"role": "user", "content": "and the music ?"},
    {"role": "assistant", "content": "no"},
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("models"), "llama")


def met(task: Chat, source: Path) -> Model:
    torch.manual_seed(0)
    return build_for(task, str(source))


def features(task: Chat, model: Model, *rows: Row) -> Encoded:
    return Encoded([task.encode([task.read(row) for row in rows], model.tokenizer)])


def answers(task: Chat, model: Model, *rows: Row) -> list[dict[str, Any]]:
    return predict(Forward(model.module.eval()), features(task, model, *rows), task, model.tokenizer)


def test_the_loss_is_that_of_the_answers_alone(source: Path) -> None:
    task = Chat()
    model = met(task, source)
    encoded = features(task, model, {"messages": TALK}, {"messages": TALK[:2]})
    batch = task.collate([encoded[0], encoded[1]], model.tokenizer)
    with torch.no_grad():
        loss = task.objective(batch, Forward(model.module.eval()))
        total, count = 0.0, 0
        for said in (TALK, TALK[:2]):
            ids = model.tokenizer.apply_chat_template(said, return_assistant_tokens_mask=True, return_dict=True, return_tensors="pt")
            labels = ids["input_ids"].masked_fill(ids["assistant_masks"] == 0, -100)
            count += int((labels[:, 1:] != -100).sum())
            total += float(model.module(ids["input_ids"], labels=labels).loss) * int((labels[:, 1:] != -100).sum())
    assert loss.count == count == 5 + 2 + 5  # the words of the answers, and the token that ends each
    assert float(loss.sum) == pytest.approx(total, rel=1e-4)
    assert loss.logits is not None
    assert len(loss.logits) == count


def test_scores_are_over_tokens_and_say_what_the_model_foresees(source: Path) -> None:
    task = Chat(written=0)
    model = met(task, source)
    rows = [{"messages": TALK}, {"messages": TALK[:2]}]
    found = answers(task, model, *rows)
    truths = [task.read(row) for row in rows]
    scores = task.metrics(found, truths)
    assert scores["loss"] == pytest.approx(sum(p["loss"] for p in found) / 12)
    assert scores["perplexity"] == pytest.approx(math.exp(scores["loss"]))
    assert task.correct(found, truths) == [found[0]["right"] / 7, found[1]["right"] / 5]
    assert (task.primary, task.higher_is_better) == ("perplexity", False)
    assert Chat(metric="token_accuracy").higher_is_better


def test_a_few_held_out_rows_are_answered_and_shown(source: Path) -> None:
    task = Chat(written=1, max_new_tokens=3)
    model = met(task, source)
    rows = [{"messages": TALK}, {"messages": TALK[:2]}]
    first, second = answers(task, model, *rows)
    question = task.encode([task.asked(task.read(rows[0]))], model.tokenizer)
    [asked] = predict(Forward(model.module.eval()), Encoded([question]), task, model.tokenizer)
    assert first["text"] == asked["text"]
    assert "tokens" not in asked
    assert "text" not in second
    shown = task.shown(task.read(rows[0]), first)
    assert shown["text"] == "User: is the film good ?\nAssistant: yes , very good\nUser: and the music ?"
    assert (shown["truth"], shown["predicted"], shown["tokens"]) == ("no", asked["text"], 7)
    assert "5 tokens" not in task.shown(task.read(rows[1]), second)["predicted"]
    assert "not written" in task.shown(task.read(rows[1]), second)["predicted"]


def test_what_is_asked_has_no_answer(source: Path) -> None:
    task = Chat(max_new_tokens=3)
    row = task.read({"messages": TALK})
    task.teaches(row)
    assert task.asked(row) == task.read({"messages": TALK[:3]}) | {"asked": True}
    with pytest.raises(RowError, match="nothing to learn: no turn of the assistant"):
        task.teaches(task.read({"messages": TALK[:1]}))
    with pytest.raises(RowError, match="nothing to learn"):
        task.teaches(task.read({"messages": [TALK[0], {**TALK[1], "weight": 0}]}))


def test_learning_says_what_it_found() -> None:
    assert Chat().learn([{"messages": TALK}]) == ["conversations: messages (role and content); learned: turns of the assistant"]
    one = Chat(turns="last", roles=["user", "assistant"])
    assert one.learn([{"prompt": "a", "completion": "b"}]) == [
        "conversations: prompt and completion; learned: the last turn of the user and the assistant"
    ]


def test_a_template_of_its_own_is_kept_and_another_can_be_asked_for(source: Path) -> None:
    model = met(Chat(), source)
    assert model.tokenizer.chat_template == TURNS
    assert met(Chat(template="joined"), source).tokenizer.chat_template == JOINED
    own = "{% for m in messages %}{{ m['content'] + '[MASK]' }}{% endfor %}"
    asked = met(Chat(template=own), source)
    assert asked.tokenizer.chat_template == own
    assert asked.module.generation_config.eos_token_id == [tiny.SEP, tiny.MASK]  # what ends a turn ends an answer


def test_a_model_that_reads_cannot_chat(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bert models read texts"):
        met(Chat(), tiny.folder(tmp_path))


def test_what_is_learned_is_previewed(source: Path) -> None:
    task = Chat()
    model = met(task, source)
    pieces = task.preview(features(task, model, {"messages": TALK})[0], model.tokenizer)
    assert ["".join(text.split()) for text, learned in pieces if learned] == ["yes,verygood[SEP]", "no[SEP]"]


def test_conversations_that_share_a_row_have_the_losses_and_gradients_that_they_have_alone(tmp_path: Path) -> None:
    rows = [
        {"messages": TALK * 2},
        {"messages": TALK[:2]},
        {"prompt": "and ?", "completion": "no"},
        {"prompt": "who ?", "completion": "me"},
    ]
    for family in ("gpt2", "gptneox", "llama", "qwen2"):
        found = []
        for pack in (None, False):
            task = Chat(pack=pack, max_length=40, written=2, max_new_tokens=3)
            model = met(task, tiny.folder(tmp_path / str(pack), family, initializer_range=0.3))
            encoded = features(task, model, *rows)
            batch = task.collate(list(encoded), model.tokenizer)
            loss = task.objective(batch, Forward(model.module.eval()))
            loss.mean.backward()
            gradients = {name: weight.grad for name, weight in model.module.named_parameters()}
            found.append((float(loss.mean.detach()), gradients, batch, answers(task, model, *rows)))
        (packed, moved, together, told), (padded, expected, alone, told_alone) = found
        assert together.inputs["input_ids"].shape[0] < alone.inputs["input_ids"].shape[0] == len(rows)
        assert together.inputs["input_ids"].shape[1] == max(encoded.lengths) <= 40
        assert together.tokens == alone.tokens
        assert packed == pytest.approx(padded, rel=1e-6)
        for name, gradient in moved.items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-6, msg=lambda text, at=name: f"{at}: {text}")
        assert [(one.get("text"), one["right"], one["tokens"]) for one in told] == [
            (one.get("text"), one["right"], one["tokens"]) for one in told_alone
        ]
        assert [one["loss"] for one in told] == pytest.approx([one["loss"] for one in told_alone], abs=1e-4)


def test_a_model_that_cannot_keep_conversations_apart_is_told_once(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.model.apart.keeps_apart", lambda *given: False)
    said: list[str] = []
    task = Chat()
    model = build_for(task, str(source), said.append)
    assert [line for line in said if line.startswith("pack")] == [ALONE]
    batch = task.collate(list(features(task, model, *[{"messages": TALK[:size]} for size in (4, 2, 2)])), model.tokenizer)
    assert batch.inputs.keys() == {"input_ids"}
    build_for(Chat(pack=False), str(source), said.append)
    assert said.count(ALONE) == 1


def test_where_a_strategy_changes_rows_each_conversation_has_its_own(source: Path) -> None:
    task, rows = Chat(), Chat.example()[1]
    said: list[str] = []

    class Listening(Observer):
        def say(self, message: str) -> None:
            said.append(message)

    model = met(task, source)
    encoded = features(task, model, *rows, {"messages": TALK * 2})
    assert task.collate(list(encoded), model.tokenizer).inputs.keys() > {"input_ids"}
    fit(model, task, encoded, [NEFTune()], replace(TRAINING, steps=1), None, [Listening()])
    assert sum(line.startswith("pack: each text has a row") for line in said) == 1
    assert task.collate(list(encoded), model.tokenizer).inputs.keys() == {"input_ids"}
