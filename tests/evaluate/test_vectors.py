"""Vectors of rows: in their order whatever the batches, and of a row in parts the mean."""

from __future__ import annotations

import numpy as np
import torch

import tiny
from training import encoded
from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.data.encode import Encoded
from tunesmith.evaluate.vectors import vectors
from tunesmith.tasks.text_classification import TextClassification


def test_each_row_has_the_mean_of_its_hidden_states() -> None:
    task, rows = TextClassification.example()
    items = encoded(task, rows)
    module = tiny.bert(num_labels=2).eval()
    found = vectors(Forward(module), items, task, tiny.tokenizer(), tokens=24)  # a few rows in each batch
    assert found.shape == (len(rows), 32)
    for row in (0, len(rows) - 1):
        ids = torch.tensor([items[row]["input_ids"]])
        with torch.no_grad():
            states = module.bert(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        np.testing.assert_allclose(found[row], states.mean(dim=1)[0], atol=1e-5)


class Parts(TextClassification):
    """Rows of two items each."""

    def collate(self, features: list, tokenizer: object) -> Batch:  # type: ignore[override, type-arg]
        ids = torch.tensor([feature["input_ids"] for feature in features])
        return Batch({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, {}, torch.zeros(len(ids)), ids.numel())


def test_a_row_in_parts_has_the_mean_of_theirs() -> None:
    module = tiny.bert(num_labels=2).eval()
    items = [{"input_ids": [2, 9, 3], "example": 0}, {"input_ids": [2, 7, 3], "example": 0}, {"input_ids": [2, 8, 3], "example": 1}]
    whole = vectors(Forward(module), Encoded([items]), Parts(), None)
    alone = vectors(Forward(module), Encoded([[{"input_ids": item["input_ids"]} for item in items]]), Parts(), None)
    np.testing.assert_allclose(whole, [alone[:2].mean(axis=0), alone[2]], atol=1e-6)
