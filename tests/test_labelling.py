"""The ways in which models label without training: each by hand on a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.forward import CPU, Forward
from tunesmith.engine.precision import choose
from tunesmith.labelling import Asked
from tunesmith.model.build import build_for
from tunesmith.tasks.image_text import ImageText
from tunesmith.tuned import Tuned
from tunesmith.zero_shot import zero_shot

LABELS = {"good": "good", "bad": "very bad"}
TEXTS = ["a film", "the very sad plot in paris", "a dog"]


def saved(folder: Path, auto: str, family: str, **config: Any) -> str:
    torch.manual_seed(0)
    getattr(transformers, auto).from_config(tiny.configs[family](**config)).save_pretrained(folder / auto)
    tiny.tokenizer(token_types=family == "bert").save_pretrained(folder / auto)
    return str(folder / auto)


def model_of(folder: str, auto: str) -> Any:
    return getattr(transformers, auto).from_pretrained(folder).eval()


def chances_of(spec: str, asked: Asked) -> torch.Tensor:
    found = zero_shot(spec, asked).predict(TEXTS)
    assert all(list(p["probabilities"]) == list(LABELS) and p["probabilities"][p["label"]] >= 0.5 for p in found)
    return torch.tensor([list(p["probabilities"].values()) for p in found])


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)  # the number format of this machine may be coarse


def ids_of(text: str) -> torch.Tensor:
    return torch.tensor([[tiny.VOCABULARY.index(word) for word in text.split()]])


@torch.no_grad()
def test_an_encoder_of_sentences_takes_the_nearest_label(tmp_path: Path) -> None:
    spec = saved(tmp_path, "AutoModel", "bert")
    model = model_of(spec, "AutoModel")

    def vector(text: str) -> torch.Tensor:
        return F.normalize(model(**tiny.tokenizer()(text, return_tensors="pt"))[0].mean(dim=1), dim=1)

    labels = torch.cat([vector(f"a story of {word}") for word in LABELS.values()])
    expected = torch.cat([(vector(text) @ labels.T / 0.05).softmax(dim=1) for text in TEXTS])
    found = chances_of(spec, Asked(LABELS, pattern="a story of {label}"))
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0.1)


@torch.no_grad()
def test_texts_and_labels_begin_as_the_model_wants_it(tmp_path: Path) -> None:
    spec = Path(saved(tmp_path, "AutoModel", "bert"))
    plain, said = zero_shot(str(spec), Asked(LABELS), say=print).predict(TEXTS), list[str]()
    e5 = spec.rename(tmp_path / "multilingual-e5-small")
    task: Any = zero_shot(str(e5), Asked(LABELS), say=said.append).task
    assert said == ["multilingual-e5-small was made for texts that begin with 'query: ', so each text and each label does here"]
    assert task._statements == ["query: a text about good", "query: a text about very bad"]
    [item] = task.encode([{"text": "a film"}], tiny.tokenizer())
    assert item["input_ids"] == tiny.tokenizer()("query: a film")["input_ids"]
    assert zero_shot(str(e5), Asked(LABELS)).predict(TEXTS) != plain


@torch.no_grad()
def test_a_model_of_entailment_takes_the_label_that_follows(tmp_path: Path) -> None:
    names = {0: "neutral", 1: "contradiction", 2: "entailment"}
    numbers = {name: number for number, name in names.items()}
    spec = saved(tmp_path, "AutoModelForSequenceClassification", "bert", id2label=names, label2id=numbers, initializer_range=0.2)
    model = model_of(spec, "AutoModelForSequenceClassification")

    def entailed(text: str, word: str) -> torch.Tensor:
        return model(**tiny.tokenizer()(text, f"it was {word} .", return_tensors="pt")).logits[0, 2]

    expected = torch.stack([torch.stack([entailed(text, word) for word in LABELS.values()]).softmax(dim=0) for text in TEXTS])
    close(chances_of(spec, Asked(LABELS, pattern="it was {label} .")), expected)


@torch.no_grad()
def test_a_masked_model_takes_the_likeliest_word(tmp_path: Path) -> None:
    spec = saved(tmp_path, "AutoModelForMaskedLM", "bert", initializer_range=0.2)
    model = model_of(spec, "AutoModelForMaskedLM")

    def score(text: str, word: str) -> torch.Tensor:
        ids = ids_of(word)[0]
        given = ids_of(f"[CLS] {text} it was {'[MASK] ' * len(ids)}. [SEP]")
        at = (given[0] == tiny.MASK).nonzero()[:, 0]
        return model(given).logits[0, at].log_softmax(dim=1)[torch.arange(len(ids)), ids].mean()

    expected = torch.stack([torch.stack([score(text, word) for word in LABELS.values()]).softmax(dim=0) for text in TEXTS])
    close(chances_of(spec, Asked(LABELS, pattern="{text} it was {label} .")), expected)


def told_by(model: Any, text: str) -> torch.Tensor:
    """The log-likelihoods of both labels behind a text."""
    begun = ids_of(f"[CLS] {text} it was".replace("  ", " "))
    scores = []
    for word in LABELS.values():
        ids = torch.cat([begun, ids_of(word)], dim=1)
        after = model(ids).logits[0].log_softmax(dim=1)
        scores.append(after[torch.arange(begun.shape[1] - 1, ids.shape[1] - 1), ids[0, begun.shape[1] :]].sum())
    return torch.stack(scores)


@pytest.mark.parametrize(("prior", "free"), [("auto", ["[UNK] [UNK] [UNK]", "[MASK]", ""]), ("premise", [""]), ("none", [])])
@torch.no_grad()
def test_a_causal_model_takes_the_likeliest_word_beyond_what_it_says_of_nothing(prior: str, free: list[str], tmp_path: Path) -> None:
    spec = saved(tmp_path, "AutoModelForCausalLM", "llama", initializer_range=0.2)
    model = model_of(spec, "AutoModelForCausalLM")
    expected = torch.stack([told_by(model, text) for text in TEXTS])
    if free:
        expected = expected - torch.stack([told_by(model, text) for text in free]).softmax(dim=1).mean(dim=0).log()
    close(chances_of(spec, Asked(LABELS, pattern="{text} it was {label} .", prior=prior)), expected.softmax(dim=1))


@torch.no_grad()
def test_an_encoder_decoder_takes_the_likeliest_word_beyond_what_it_says_of_nothing(tmp_path: Path) -> None:
    spec = saved(tmp_path, "AutoModelForSeq2SeqLM", "t5", initializer_factor=2.0)
    model = model_of(spec, "AutoModelForSeq2SeqLM")

    def score(text: str, word: str) -> torch.Tensor:
        given, ids = ids_of(f"[CLS] {text} it was [SEP]".replace("  ", " ")), ids_of(f"[CLS] {word} [SEP]")
        with Forward(model, CPU, choose("auto", CPU)).precision():  # far from 0, where bfloat16 is coarse
            logits = model(input_ids=given, labels=ids).logits
        return logits.float().log_softmax(dim=2)[0, torch.arange(ids.shape[1]), ids[0]].sum()

    def scores(texts: list[str]) -> torch.Tensor:
        return torch.stack([torch.stack([score(text, word) for word in LABELS.values()]) for text in texts])

    free = scores(["[UNK] [UNK] a", "[MASK]", ""]).softmax(dim=1).mean(dim=0).log()
    expected = (scores(TEXTS) - free).softmax(dim=1)
    torch.testing.assert_close(chances_of(spec, Asked(LABELS, pattern="{text} it was {label} .")), expected, atol=0.05, rtol=0.05)


def test_an_encoder_decoder_has_the_vectors_of_its_encoder(tmp_path: Path) -> None:
    spec = saved(tmp_path, "AutoModelForSeq2SeqLM", "t5")
    assert len(zero_shot(spec, Asked(LABELS, way="embedding")).predict(TEXTS)) == 3
    with pytest.raises(InputError, match="bart models make no vectors of texts alone"):
        zero_shot(saved(tmp_path, "AutoModel", "bart"), Asked(LABELS, way="embedding"))


def test_a_clip_tells_pictures_by_the_names_of_labels(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    spec = str(tiny.folder(tmp_path, "clip"))
    found = zero_shot(spec, Asked(LABELS)).predict([{"image": [[shade] * 8] * 8, "label": "unknown"} for shade in (0, 200)])
    task = ImageText(labels=list(LABELS), prompt="a photo of {label}")
    alike = Tuned(build_for(task, spec), task, {}, {}).predict([{"image": [[0] * 8] * 8}])
    assert list(found[0]["probabilities"]) == list(LABELS)
    named = zero_shot(spec, Asked({label: label for label in LABELS})).predict([{"image": [[0] * 8] * 8}])
    assert named[0]["probabilities"] == pytest.approx(alike[0]["probabilities"])
    with pytest.raises(InputError, match="clip models make no vectors of texts alone"):
        zero_shot(spec, Asked(LABELS, way="embedding"))
    with pytest.raises(InputError, match="vit models make no vectors of texts alone"):
        zero_shot(str(tiny.folder(tmp_path, "vit")), Asked(LABELS))
