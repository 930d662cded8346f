"""Nearest neighbours: a whole run that answers with them, in training, afterwards and elsewhere; and what is refused."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

import tiny
import tunesmith
from runs import TRAINING, rows
from tunesmith.core.errors import InputError
from tunesmith.core.run import Run
from tunesmith.model.neighbours import NAME, Mixing, Neighbours, vectors_of
from tunesmith.strategies.nearest_neighbours import SHARES, NearestNeighbours
from tunesmith.tasks.text_classification import TextClassification

HALF: dict[str, Any] = {"strength": 0.5, "num_neighbours": 4}
DATA = {"train": rows(40)[:24], "validation": rows(40)[24:32], "test": rows(40)[32:]}


def trained(folder: Path, name: str, *strategies: Any, **keys: Any) -> tunesmith.Report:
    recipe: dict[str, Any] = {"model": str(tiny.folder(folder)), "task": "text_classification", "baselines": False, "training": TRAINING}
    return tunesmith.train({**recipe, "data": DATA, "strategies": list(strategies), **keys}, run=name, runs=folder / "runs")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("neighbours")
    trained(folder, "plain")
    trained(folder, "near", {"nearest_neighbours": HALF})
    return folder


def chances(predictions: list[dict[str, Any]]) -> torch.Tensor:
    return torch.tensor([list(prediction["probabilities"].values()) for prediction in predictions])


def test_the_run_answers_with_its_training_rows(made: Path) -> None:
    """Trained as without; judged, loaded and exported with the same mixture, which is that of the formula."""
    plain, near = (tunesmith.load(made / "runs" / name) for name in ("plain", "near"))
    weights = [dict(tuned.model.module.named_parameters()) for tuned in (plain, near)]
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())
    own: Neighbours = getattr(near.model.module, NAME)
    assert own.rows is not None
    assert own.rows[0].shape == (24, 32)
    assert own.rows[1].tolist() == [near.task.settings()["labels"].index(row["label"]) for row in DATA["train"]]
    asked = [row["text"] for row in DATA["test"]]
    alone, both = chances(plain.predict(asked)), chances(near.predict(asked))
    assert not torch.allclose(alone, both)
    shares = (both - 0.5 * alone) / 0.5
    assert ((shares > -1e-5) & (shares < 1 + 1e-5)).all()
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(8))
    report = tunesmith.load(made / "runs/near").evaluate(DATA["test"])
    assert report["log_loss"] == pytest.approx(read_scores(made / "runs/near")["log_loss"], abs=1e-6)
    exported = tunesmith.export(made / "runs/near", made / "out").folder
    torch.testing.assert_close(chances(tunesmith.load(exported).predict(asked)), both)
    assert "other libraries load the model without them" in (exported / "README.md").read_text(encoding="utf-8")
    assert AutoModelForSequenceClassification.from_pretrained(exported).num_labels == 2


def seen_anew(tuned: Any) -> torch.Tensor:
    """The vectors of the training rows by a loaded model."""
    asked = tuned.task.encode([tuned.task.read(row) for row in DATA["train"]], tuned.model.tokenizer)
    inputs = tuned.task.collate([{**item, "row": 0} for item in asked], tuned.model.tokenizer).inputs
    return vectors_of(tuned.model.module, partial(tuned.model.module, **inputs), inputs, "head")


def read_scores(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "scores.json").read_text(encoding="utf-8"))["tuned"]
    return found


def test_vectors_are_those_of_the_weights_that_ship(made: Path) -> None:
    """Averaged weights, whichever strategy comes first, and those of the best evaluation."""
    found = []
    for name, order in (("before", (0, 1)), ("after", (1, 0))):
        strategies = [{"nearest_neighbours": HALF}, {"ema": {"decay": 0.5}}]
        run = trained(made, name, *(strategies[place] for place in order), training={**TRAINING, "ship": "best"}).folder
        tuned = tunesmith.load(run)
        own = getattr(tuned.model.module, NAME)
        own.resting = True
        found.append(own.rows[0])
        again = seen_anew(tuned)
        torch.testing.assert_close(own.rows[0], again, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(*found)


def test_a_run_that_begins_with_it_and_a_merged_adapter(made: Path) -> None:
    """Who begins with its weights begins without its rows; an adapter takes them along when it is merged."""
    again = trained(made, "again", model=str(made / "runs/near/model"))
    assert not (again.folder / "model/neighbours.json").exists()
    adapted = trained(made, "adapted", {"lora": {"rank": 2}}, {"nearest_neighbours": HALF}).folder
    asked = [row["text"] for row in DATA["test"]]
    merged = tunesmith.export(adapted, made / "merged").folder
    torch.testing.assert_close(
        chances(tunesmith.load(merged).predict(asked)), chances(tunesmith.load(adapted).predict(asked)), atol=1e-4, rtol=1e-3
    )
    assert getattr(tunesmith.load(merged).model.module, NAME).rows is not None


def test_what_has_no_classes_is_refused(made: Path) -> None:
    several = {"train": [{"text": row["text"], "label": [row["label"]]} for row in DATA["train"]]}
    with pytest.raises(InputError, match=r"neighbours vote for one class each, and task\.kind is multi"):
        trained(made, "multi", {"nearest_neighbours": HALF}, data=several)
    texts = {"train": [{"text": row["text"]} for row in DATA["train"]]}
    with pytest.raises(InputError, match="'nearest_neighbours' needs labels of whole texts"):
        trained(made, "other", {"nearest_neighbours": HALF}, task="masked_language_modelling", data=texts)


def test_frozen_layers_that_are_computed_once_change_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a pass they are stood in for; the rows are seen by the whole model."""
    parts = [{"freeze": {"layers": 2}}, {"nearest_neighbours": HALF}]
    kept = trained(made, "kept", *parts).folder
    assert "trunk: the lowest 2" in (kept / "events.jsonl").read_text(encoding="utf-8")
    tuned = tunesmith.load(kept)
    torch.testing.assert_close(getattr(tuned.model.module, NAME).rows[0], seen_anew(tuned), atol=1e-5, rtol=1e-4)


def test_few_rows_are_kept_where_few_are_wanted(made: Path) -> None:
    run = trained(made, "few", {"nearest_neighbours": {**HALF, "num_rows": 5}}).folder
    assert len(getattr(tunesmith.load(run).model.module, NAME).rows[0]) == 5


def test_the_share_is_chosen_on_the_validation_rows(made: Path) -> None:
    """What is chosen is best among the shares that are tried, each of which is a run of its own here; it is told and kept."""
    few = {"num_neighbours": 4}
    chosen = trained(made, "auto", {"nearest_neighbours": few}).folder
    tuned = tunesmith.load(chosen)
    own = getattr(tuned.model.module, NAME, None)
    found = {}
    for share in SHARES:
        run = trained(made, f"share-{share}", {"nearest_neighbours": {**few, "strength": share}}).folder
        scores = tunesmith.load(run).evaluate(DATA["validation"])
        found[share] = (scores["accuracy"], -scores["log_loss"])
    best = max(found, key=lambda share: found[share])
    assert (own.mixing.strength if own else 0.0) == best
    assert f"strength: {best}" in (chosen / "recipe.resolved.yaml").read_text(encoding="utf-8")
    same = trained(made, "same", {"nearest_neighbours": {**few, "strength": best}}).folder
    asked = [row["text"] for row in DATA["test"]]
    torch.testing.assert_close(chances(tuned.predict(asked)), chances(tunesmith.load(same).predict(asked)))


@pytest.mark.parametrize(
    ("near", "metric", "share", "told"),
    [
        ([0.0, 1.0], "accuracy", 0.75, "accuracy on the validation rows 0 at 0"),
        ([1.0, 0.0], "accuracy", 0.0, "accuracy on the validation rows 0 at 0"),
        ([0.0, 1.0], "auc", 0.75, "log_loss on the validation rows 0.7985 at 0"),  # one row has no area under a curve
    ],
)
def test_neighbours_that_are_wrong_have_no_share(near: list[float], metric: str, share: float, told: str) -> None:
    """A model that answers [0.55, 0.45] where the second class is right or wrong; neighbours know the second, or the first."""
    strategy, said = NearestNeighbours(), list[str]()
    task = TextClassification(kind="single", labels=["a", "b"], metric=metric)
    model = tiny.bert().eval()
    strategy._own = Neighbours(Mixing(0.25, 3, 0.1, "head"))
    strategy._own.put_on(model)
    table = torch.tensor([[0.55, 0.45]], dtype=torch.float64)
    strategy.settle(
        Run(model, task, forward=None, clock=None, device=None, seed=0, say=said.append),  # type: ignore[arg-type]
        lambda: task.predictions(torch.lerp(table, torch.tensor([near], dtype=torch.float64), strategy._own.mixing.strength)),  # type: ignore[union-attr]
        [{"label": 1}],
    )
    assert (strategy.strength, strategy._own.mixing.strength, hasattr(model, NAME)) == (share, share, share > 0)
    assert said[0].startswith(f"nearest_neighbours: the share of the neighbours is {share:g}; {told}")


def test_without_validation_rows_the_share_is_the_usual_one(made: Path) -> None:
    run = trained(made, "unjudged", "nearest_neighbours", data={**DATA, "validation": None}).folder
    assert getattr(tunesmith.load(run).model.module, NAME).mixing.strength == 0.25
