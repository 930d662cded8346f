"""Image and text: pairs, repeats, zero-shot labels and ranks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.task import RowError
from tunesmith.data.encode import Encoded
from tunesmith.evaluate.score import predict
from tunesmith.model.build import build_for
from tunesmith.tasks.image_text import ImageText

VECTORS = torch.eye(2).tolist()


def test_pairs_are_ranked_among_all_rows() -> None:
    task = ImageText()
    found = task.together(
        [
            {"vector": VECTORS[0], "text_vector": VECTORS[0], "keys": ["1", "one"]},
            {"vector": VECTORS[1], "text_vector": VECTORS[0], "keys": ["2", "two"]},
        ]
    )
    assert [row["text_rank"] for row in found] == [2, 2]  # equal similarities: the own one comes last
    assert [row["image_rank"] for row in found] == [1, 2]
    assert task.metrics(found, [{"text": "one"}, {"text": "two"}])["recall@1"] == 0.25
    assert task.correct(found, [{"text": "one"}, {"text": "two"}]) == [0.5, 0.0]


def test_pictures_alone_get_their_vector_and_their_label(tmp_path: Path) -> None:
    task, raw = ImageText.example()
    task.learn(raw)
    model = build_for(task, str(tiny.folder(tmp_path, "clip")))
    rows = [task.read({"image": row["image"]}) for row in raw]
    found = predict(Forward(model.module.eval()), Encoded([task.encode(rows, model.tokenizer)]), task, model.tokenizer)
    assert len(found[0]["vector"]) == 16
    assert sum(found[0]["probabilities"].values()) == pytest.approx(1)
    assert found[0]["label"] in ("film", "music")
    assert "recall@1" not in task.metrics(found, rows)
    assert task.shown(rows[0], found[0])["predicted"] == found[0]["label"]


def test_the_labels_can_decide() -> None:
    task = ImageText(labels=["a", "b"], metric="zero_shot_accuracy")
    predictions = [{"label": "a"}, {"label": "a"}]
    assert task.metrics(predictions, [{"label": 0}, {"label": 1}]) == {"zero_shot_accuracy": 0.5}
    assert task.correct(predictions, [{"label": 0}, {"label": 1}]) == [1.0, 0.0]


def test_rows_to_learn_from_have_texts() -> None:
    _, raw = ImageText.example()
    with pytest.raises(InputError, match="no column is known as the text"):
        ImageText().learn([{"image": row["image"]} for row in raw])
    with pytest.raises(InputError, match="every row has the same text, so nothing can be told apart"):
        ImageText().learn([{**row, "text": "a film"} for row in raw])
    with pytest.raises(RowError, match="the text is empty"):
        ImageText().read({"image": raw[0]["image"], "text": " "})


@pytest.mark.parametrize("prompt", ["a photo", "a photo of {label} {kind}", "a photo of {label:>9}", "a photo of {label"])
def test_a_prompt_holds_the_label_and_no_other_place(prompt: str) -> None:
    with pytest.raises(InputError) as caught:
        ImageText(prompt=prompt)
    assert [problem.key for problem in caught.value.problems] == ["task.prompt"]


def test_a_model_of_one_tower_is_refused() -> None:
    with pytest.raises(InputError, match="do not bring pictures and texts together"):
        ImageText().meet(tiny.base("bert"), None)
