"""Models that were tuned elsewhere: the task that their files tell, what it knows of them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.model.sources import resolve
from tunesmith.ready import ready
from tunesmith.recipes.find import name_of
from tunesmith.tuned import load

TAGS = {0: "O", 1: "B-PLACE", 2: "I-PLACE"}


def saved(folder: Path, auto: str, family: str, **config: Any) -> str:
    """A folder of the family with the head of a class of transformers, as ``save_pretrained`` writes it."""
    tiny.folder(folder, family, **config)
    torch.manual_seed(0)
    getattr(transformers, auto).from_config(tiny.configs[family](**config)).save_pretrained(folder / family)
    return str(folder / family)


@pytest.mark.parametrize(
    ("auto", "family", "task"),
    [
        ("AutoModelForSequenceClassification", "bert", "text_classification"),
        ("AutoModelForTokenClassification", "bert", "token_classification"),
        ("AutoModelForQuestionAnswering", "llama", "extractive_qa"),
        ("AutoModelForMultipleChoice", "bert", "multiple_choice"),
        ("AutoModelForMaskedLM", "bert", "masked_language_modelling"),
        ("AutoModelForSeq2SeqLM", "marian", "sequence_to_sequence"),
        ("AutoModelForCausalLM", "gpt2", "causal_language_modelling"),
        ("AutoModelForImageClassification", "vit", "image_classification"),
        ("AutoModelForAudioClassification", "whisper", "audio_classification"),
        ("AutoModelForSpeechSeq2Seq", "whisper", "speech_recognition"),
        ("AutoModel", "clip", "image_text"),
    ],
)
def test_the_architecture_tells_the_task(tmp_path: Path, auto: str, family: str, task: str) -> None:
    assert name_of(ready(resolve(saved(tmp_path, auto, family)))[1]) == task


def test_a_chat_template_and_the_files_of_sentence_transformers_tell_more(tmp_path: Path) -> None:
    folder = Path(saved(tmp_path, "AutoModelForCausalLM", "llama"))
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}[SEP]{% endfor %}")
    assert name_of(ready(resolve(str(folder)))[1]) == "chat"
    sentences = tiny.folder(tmp_path, "bert")
    (sentences / "modules.json").write_text("[]")
    (sentences / "1_Pooling").mkdir()
    (sentences / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    task = ready(resolve(str(sentences)))[1]
    assert (name_of(task), task.settings()["pooling"]) == ("embedding", "cls")


def test_tags_are_those_of_the_configuration(tmp_path: Path) -> None:
    tuned = load(saved(tmp_path, "AutoModelForTokenClassification", "bert", id2label=TAGS))
    assert (tuned.task.settings()["labels"], tuned.task.settings()["scheme"]) == (list(TAGS.values()), "bio")
    assert tuned.predict(["the man in paris"])[0]["tokens"] == ["the", "man", "in", "paris"]
    named, numbered = (tuned.evaluate([{"tokens": ["in", "paris"], "tags": tags}]) for tags in (["O", "B-PLACE"], [0, 1]))
    assert named == numbered


def test_rows_that_are_judged_say_what_the_files_do_not(tmp_path: Path) -> None:
    choices = load(saved(tmp_path, "AutoModelForMultipleChoice", "bert"))
    rows = [{"question": "was it", "choices": ["good", "bad"], "answer": letter} for letter in "AB"]
    assert "accuracy" in choices.evaluate(rows)
    sentences = load(str(tiny.folder(tmp_path, "roberta")), kind="embedding")
    assert len(sentences.predict(["a film"])[0]["vector"]) == 32
    scored = [{"text1": "a film", "text2": "a movie", "score": 5}, {"text1": "a film", "text2": "a cat", "score": 1}]
    assert "spearman" in sentences.evaluate(scored)
    asked = load(saved(tmp_path, "AutoModelForQuestionAnswering", "electra"))
    known = {"question": "who", "context": "the man was in paris"}
    assert {"f1", "exact_match"} <= asked.evaluate([{**known, "answer": "the man"}]).keys()


def test_a_head_that_would_be_new_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path, "AutoModelForMaskedLM", "bert")
    with pytest.raises(InputError, match=r"not tuned for token_classification: classifier.weight would be new\. .* --as TASK"):
        ready(resolve(folder), "token_classification")
    with pytest.raises(InputError, match=r"There is no task 'chatt'. Did you mean chat"):
        ready(resolve(folder), "chatt")
    with pytest.raises(InputError, match=r"read texts and do not write"):
        ready(resolve(folder), "chat")
