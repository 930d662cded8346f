"""Commands that look: check, explain, report, list, env."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cli.conftest import Command
from tunesmith.report.folder import lock


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_check(tunesmith: Command, here: Path) -> None:
    before = files(here)
    done = tunesmith("check", "recipe.yaml", "training.epochs=3")
    assert (done.code, done.err) == (0, "")
    titles = [line.split()[0] for line in done.out.splitlines() if line and not line.startswith(" ")]
    assert titles == ["model", "data", "tokens", "rate", "learns", "cost", "Ready."]
    assert "columns: text <- review, label <- stars" in done.out
    assert "freeze: embeddings" in done.out
    assert done.out.splitlines()[-1] == "Ready. Next: tunesmith train recipe.yaml training.epochs=3"
    assert files(here) == before


def test_check_tells_what_is_odd(tunesmith: Command, here: Path) -> None:
    with (here / "reviews.csv").open("a") as file:
        file.write("a good film 0,bad\n" + f"{'good ' * 60},good\n" * 3)
    done = tunesmith("check", "recipe.yaml", "data.validation=null", "data.test=reviews.csv")
    assert done.code == 0
    assert "WARNING  test: 64 rows also in train" in done.out
    assert "3 of 64 rows are cut by task.max_length" in done.out


def test_check_as_json(tunesmith: Command) -> None:
    checked = tunesmith("check", "recipe.yaml", "--json")
    assert checked.err == ""
    assert checked.json["rows"] == 54
    assert checked.json["lengths"] == [10, 10, 10]
    assert checked.json["truncated"] == 0
    assert checked.json["findings"] == []
    assert checked.json["cost"]["steps"] == 14
    assert [phase["learns"] for phase in checked.json["phases"]] == ["layers 2-3 17.1 k, head 1.1 k"]


def test_explain(tunesmith: Command, here: Path) -> None:
    before = files(here)
    done = tunesmith("explain", "recipe.yaml")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line.split()[:4] for line in lines if line.startswith("  plan")] == [["plan", "freeze", ">", "layer_rates"]]
    assert [" ".join(line.split()[:7]) for line in lines if line.startswith("  1-14")] == ["1-14 0.81 layer 2; 0.9 layer 3;"]
    assert "The highest learning rate is 0.01: training.learning_rate." in lines
    assert files(here) == before


def test_explain_shows_the_rate_of_a_new_head(tunesmith: Command) -> None:
    changes = ("training.learning_rate=1e-4", "training.head_rate=1e-3")
    lines = tunesmith("explain", "recipe.yaml", *changes).out.splitlines()
    assert "1-14 0.81 layer 2; 0.9 layer 3; 10 head layers 2-3 17.1 k, head 1.1 k" in " ".join(" ".join(lines).split())
    assert "The highest learning rate is 0.0001: training.learning_rate; head 0.001: training.head_rate." in lines


def test_explain_shows_when_layers_begin_to_learn(tunesmith: Command, here: Path) -> None:
    recipe = (here / "recipe.yaml").read_text()
    (here / "recipe.yaml").write_text(recipe.replace("freeze: {layers: 1}", "unfreeze: {every: 25%}\n  - early_stop: {patience: 2}"))
    explained = tunesmith("explain", "recipe.yaml", "--json").json
    assert [phase["last"] for phase in explained["phases"]][-1] == explained["total"] == 14
    assert [phase["first"] for phase in explained["phases"]] == [1, 5, 9, 13]
    assert explained["phases"][0]["learns"].startswith("head")
    assert explained["phases"][-1]["learns"].startswith("layers 1-3")
    assert explained["seams"]["watch"] == ["early_stop"]


def test_report(tunesmith: Command, done: Path) -> None:
    shown = tunesmith("report")
    assert shown.code == 0
    assert "tuned model" in shown.out
    assert shown.out.splitlines()[-2:] == ["The report: runs/done/report.html", "The model:  runs/done/model"]
    as_json = tunesmith("report", str(done), "--json").json
    assert as_json == {"run": str(done), "scores": json.loads((done / "scores.json").read_text())}


def test_list_runs(tunesmith: Command, done: Path) -> None:
    (done.parent / "other").mkdir()
    (done.parent / "other" / "recipe.yaml").write_text((done / "recipe.yaml").read_text())
    (done.parent / "no-run").mkdir()
    runs = tunesmith("list", "--json").json
    assert [(run["run"], run["state"], run["metric"]) for run in runs] == [
        ("done", "finished", "accuracy"),
        ("other", "unfinished", None),
    ]
    lines = tunesmith("list").out.splitlines()
    assert lines[0].split() == ["RUN", "STATE", "METRIC", "BASE", "TUNED"]
    assert lines[2].split() == ["other", "unfinished", "-", "-", "-"]
    held = lock(done.parent / "other")
    assert tunesmith("list").out.splitlines()[2].split()[:2] == ["other", "running"]
    refused = tunesmith("resume", "other")
    assert refused.code == 2
    assert "another process is at work on this run" in refused.err
    os.close(held)  # type: ignore[arg-type]


def test_list_runs_of_an_ablation(tunesmith: Command, here: Path) -> None:
    for run in ("one", "one/seed-0", "ablation/all"):
        (here / "runs" / run).mkdir(parents=True)
        (here / "runs" / run / "recipe.yaml").write_text("model: x\n")
    assert {run["run"] for run in tunesmith("list", "--json").json} == {"one", "ablation/all"}
    assert "is not finished" in tunesmith("compare", "ablation/all", "one").err, "it goes by the name that is listed"


def test_list_what_a_recipe_can_name(tunesmith: Command) -> None:
    assert {"freeze", "lora", "early_stop"} <= {part["name"] for part in tunesmith("list", "strategies", "--json").json}
    assert "text_classification" in tunesmith("list", "tasks").out
    assert tunesmith("list", "--runs", "nowhere").out == "There are no runs in nowhere.\n"


def test_env(tunesmith: Command) -> None:
    found = tunesmith("env", "--json").json
    assert {"python", "packages", "cores", "device", "precision", "cache"} <= found.keys()
    assert [line.split()[0] for line in tunesmith("env").out.splitlines()] == list(found)
