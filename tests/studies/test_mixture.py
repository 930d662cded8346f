"""Runs of several tasks: one trunk learns from all, each is judged and exported on its own, and a kill costs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers
from safetensors.torch import load_file

import tiny
import tunesmith
from runs import TRAINING, Interruption, rows, timeless
from tunesmith.cli.app import run
from tunesmith.core.errors import InputError, InterruptedRunError
from tunesmith.engine.events import read_events
from tunesmith.recipes.recipe import recipe_from
from tunesmith.run import Report
from tunesmith.studies.preparing import prepare

SMALL = TRAINING | {"steps": 6, "save_every": "2st", "evaluate_every": "3st"}
del SMALL["epochs"]
WORDS = [("the man in paris was good", "O O O B-PLACE O O"), ("a small woman loved the new film", "O B-WHO I-WHO O O B-WHAT I-WHAT")]
TAGGED = [{"text": f"{text} {number}", "tags": f"{tags} O"} for number in range(6) for text, tags in WORDS]
TOPICS = {"task": "text_classification", "data": {"train": rows(24), "test": "30%"}}
TAGS = {"task": {"token_classification": {"max_length": 16}}, "data": {"train": TAGGED}, "weight": 0.5}
TEXTS = {"task": {"masked_language_modelling": {"max_length": 16}}, "data": {"train": [{"text": row["text"]} for row in rows(16)]}}
THREE = {"topics": TOPICS, "tags": TAGS, "words": TEXTS | {"auxiliary": True}}

Mixed = Callable[..., Report]


@pytest.fixture
def mixed(tmp_path: Path, model: str) -> Mixed:
    """``mixed(name, tasks={...})``: a run of six steps."""

    def run(name: str, watch: Any = (), **keys: Any) -> Report:
        shared = {"model": model, "baselines": False, "training": SMALL, "tasks": THREE}
        return tunesmith.train(shared | keys, run=name, runs=tmp_path / "runs", watch=watch)

    return run


def test_what_reads_rows_of_one_task_is_refused_before_training(mixed: Mixed, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"strategies\.1\.dataset_map: 'dataset_map' needs logits of whole rows, which several tasks"):
        mixed("map", strategies=["clip", "dataset_map"])
    assert not (tmp_path / "runs").exists()


def test_a_task_has_strategies_of_its_own(mixed: Mixed, tmp_path: Path) -> None:
    tasks = THREE | {"topics": TOPICS | {"strategies": [{"augment": {"share": 1.0}}, "label_smoothing"]}}
    report = mixed("own", strategies=["clip"], tasks=tasks, single_task=True)
    listed = {strategy["name"]: strategy["parts"] for strategy in report.facts.strategies}
    assert listed == {"clip": [], "augment": ["topics"], "label_smoothing": ["topics"]}
    assert {change["strategy"] for change in report.facts.changes} == {"topics: augment"}
    alone = {name: (report.folder / "single" / name / "recipe.yaml").read_text(encoding="utf-8") for name in ("topics", "tags")}
    assert ["augment" in text for text in alone.values()] == [True, False]
    page = (report.folder / "tasks" / "topics" / "report.html").read_text(encoding="utf-8")
    assert "Augmented rows" in page
    losses = [event["loss"] for event in read_events(report.folder / "events.jsonl") if event["event"] == "step"]
    plain = mixed("plain", strategies=["clip"])
    assert losses != [event["loss"] for event in read_events(plain.folder / "events.jsonl") if event["event"] == "step"]


def test_what_a_strategy_of_a_task_lacks_is_told_with_its_place(model: str, tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text("text,label\n" + "".join(f"a {row['text']},{row['label']}\n" for row in rows(12)), encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"model: {model}\ntasks:\n  films:\n    task: text_classification\n    data: films.csv\n    strategies:\n      - augment\n"
        f"      - balance: {{by: group}}\n  words: {{task: masked_language_modelling, data: films.csv}}\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        tunesmith.train(recipe, runs=tmp_path / "runs")
    [problem] = caught.value.problems
    assert (problem.file, problem.line) == (str(recipe), 8)
    assert problem.message == "tasks.films.strategies.1.balance: the rows have no group each"


def test_each_task_is_judged_and_exported_on_its_own(mixed: Mixed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = mixed("three", strategies=["uncertainty", "pcgrad", {"ema": {"decay": 0.5}}])
    folder, scores = report.folder, report.scores
    assert scores == json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert list(scores["tasks"]) == ["topics", "tags"]  # the auxiliary one is not judged
    primaries = [scores["tasks"]["topics"]["tuned"]["accuracy"], scores["tasks"]["tags"]["tuned"]["f1"]]
    assert scores["tuned"] == pytest.approx({"mean_of_tasks": sum(primaries) / 2, "topics_accuracy": primaries[0], "tags_f1": primaries[1]})
    assert sorted(path.name for path in (folder / "model").iterdir()) == ["tags", "topics"]
    heads = {"topics": "AutoModelForSequenceClassification", "tags": "AutoModelForTokenClassification"}
    for name, auto in heads.items():
        loaded, info = getattr(transformers, auto).from_pretrained(folder / "model" / name, output_loading_info=True)
        assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        assert loaded.config.num_labels == {"topics": 2, "tags": 7}[name]
    parts = [load_file(folder / "model" / name / "model.safetensors") for name in heads]
    shared = [name for name in parts[0] if name.startswith("bert.") and name in parts[1]]
    assert len(shared) > 40  # the trunk, which is the same in both
    assert all(bool((parts[0][name] == parts[1][name]).all()) for name in shared)
    assert any("uncertainty" in event.get("parts", {}) for event in read_events(folder / "events.jsonl"))
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Every score: topics" in page
    assert "Every score: tags" in page
    assert "Every score" in (folder / "tasks" / "tags" / "report.html").read_text(encoding="utf-8")
    assert (
        len((folder / "tasks/topics/predictions/test.jsonl").read_text(encoding="utf-8").splitlines())
        == scores["tasks"]["topics"]["examples"]
    )

    answers = tunesmith.load(folder, task="topics").predict(["a good film"])
    assert answers == tunesmith.load(folder / "model" / "topics").predict(["a good film"])
    assert "tags" in tunesmith.load("three", tmp_path / "runs", "tags").predict(["the man in paris"])[0]
    assert 'tunesmith.load("three", task="tags")' in (folder / "model" / "tags" / "README.md").read_text(encoding="utf-8")
    assert run(["predict", str(folder), "--task", "topics", "--text", "a good film", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answers
    with pytest.raises(InputError, match=r"the run has several tasks: tags, topics\. Name one: --task tags"):
        tunesmith.load(folder)
    with pytest.raises(InputError, match=r"there is no task 'topic'\. Did you mean topics"):
        tunesmith.load(folder, task="topic")
    with pytest.raises(InputError, match="this run is finished"):
        tunesmith.resume(folder)


def test_an_interrupted_run_goes_on_to_the_same_bits(mixed: Mixed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = {}
    for name, part in (("topics", TOPICS), ("tags", TAGS)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in part["data"]["train"]), encoding="utf-8")  # type: ignore[index]
        tasks[name] = part | {"data": {"train": str(path), "validation": "30%"}}
    keys = {"tasks": tasks, "strategies": ["uncertainty", "pcgrad"], "mixing": {"by": "annealed"}}
    through = mixed("through", **keys)
    with pytest.raises(InterruptedRunError, match=r"Stopped after step 3.*tunesmith resume .*stopped`"):
        mixed("stopped", watch=[Interruption()], **keys)
    resumed = tunesmith.resume(tmp_path / "runs" / "stopped")
    for name in tasks:
        files = [report.folder / "model" / name / "model.safetensors" for report in (resumed, through)]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert resumed.scores["tuned"] == through.scores["tuned"]
    own = [timeless([e for e in read_events(r.folder / "events.jsonl") if e["event"] == "step"]) for r in (resumed, through)]
    assert own[0] == own[1]
    assert own[0][0]["parts"].keys() >= {"topics", "tags"}
    assert run(["eval", str(through.folder), "--task", "topics", "--json"]) == 0
    [judged] = json.loads(capsys.readouterr().out)
    assert (judged["data"], judged["rows"], judged["trained_on"]) == ("validation", through.scores["tasks"]["topics"]["examples"], 0)
    assert judged["scores"]["accuracy"] == through.scores["tuned"]["topics_accuracy"]
    assert run(["eval", str(through.folder)]) == 2
    assert "Name one: --task" in capsys.readouterr().err
    assert "--run through-again" in (through.folder / "report.html").read_text(encoding="utf-8")


def test_an_adapter_is_merged_into_what_is_exported(mixed: Mixed) -> None:
    two = {"topics": TOPICS, "tags": TAGS}
    report = mixed("adapter", tasks=two, strategies=[{"lora": {"rank": 2}}, {"freeze": {"layers": 1}}], training=SMALL | {"steps": 2})
    assert not (report.folder / "model" / "topics" / "adapter_config.json").exists()
    found = tunesmith.load(report.folder, task="topics").predict([row["text"] for row in rows(4)])
    judged = [json.loads(line) for line in (report.folder / "tasks/topics/predictions/test.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in judged]
    again = tunesmith.load(report.folder, task="topics").predict(texts)
    assert len(found) == 4
    assert [p["label"] for p in again] == [row["predicted"] for row in judged]
    assert [max(p["probabilities"].values()) for p in again] == pytest.approx([row["confidence"] for row in judged], abs=1e-4)


def test_it_can_be_looked_at_before(model: str) -> None:
    tasks = THREE | {"topics": TOPICS | {"strategies": ["augment"]}}
    recipe = recipe_from({"model": model, "tasks": tasks, "training": SMALL, "strategies": ["pcgrad", {"freeze": {"layers": 1}}]})
    said: list[str] = []
    [checked] = tunesmith.check(recipe, said.append).values()
    assert 16 < checked.rows < 24 + 12 + 16  # what is held out to judge by is not trained on; the auxiliary task keeps its 16
    assert "topics (BertForSequenceClassification, new), tags (BertForTokenClassification, new)" in checked.model
    assert any(note.startswith("mixing by size: rows of topics ") for note in checked.notes)
    assert checked.phases[0].learns.startswith("layers 2-3")
    assert any(line.startswith("topics: augment: ") for line in checked.said)
    [explained] = tunesmith.explain(recipe, said.append).values()
    assert explained.seams["gradient"] == ["pcgrad"]
    assert explained.seams["feed"] == ["augment of topics", "MixedRows"]


def test_what_is_wrong_in_any_task_is_told_with_its_name(mixed: Mixed, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("text,label\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        mixed(
            "empty",
            tasks=THREE
            | {
                "topics": {"task": "text_classification", "data": {"train": str(tmp_path / "empty.csv")}},
                "lost": TAGS | {"data": {"train": "gone.conll"}},
            },
        )
    assert [problem.message.split(":")[0] for problem in caught.value.problems] == ["task topics", "task lost"]
    decoder = str(tiny.folder(tmp_path, "llama"))
    with pytest.raises(InputError, match="task words: llama models have no AutoModelForMaskedLM"):
        mixed("decoder", model=decoder)
    with pytest.raises(InputError, match="'curriculum' and 'mixing' both decide on the order of the rows"):
        mixed("order", strategies=["curriculum"])
    with pytest.raises(InputError, match="A strategy wants rows of one task, and there are 3: topics, tags, words"):
        mixed("past", strategies=[{"replay": {"past": rows(4)}}])
    assert not (tmp_path / "runs").exists()


def test_tasks_that_write_have_one_model_and_their_own_prefix(tmp_path: Path) -> None:
    source = [{"source": f"a good film {number}", "target": "good film"} for number in range(6)]
    task = {"sequence_to_sequence": {"max_source_length": 16, "max_target_length": 8}}
    tasks = {name: {"task": task, "data": {"train": source, "validation": None}} for name in ("titles", "summaries")}
    keys = {"model": str(tiny.folder(tmp_path, "t5")), "tasks": tasks | {"labels": TOPICS}}
    made = prepare(recipe_from(keys), print)
    whole: Any = made.model.module
    assert whole.head("titles") is whole.head("summaries")
    assert whole.head("labels").transformer.encoder is whole.head("titles").encoder
    assert made.task.members["titles"].worth > 1.0


def test_tasks_that_share_a_translator_write_languages_of_their_own(mixed: Mixed, tmp_path: Path) -> None:
    source = [{"source": f"{word} film", "target": word} for word in ("bon", "nul", "long", "court")]
    tasks = {
        name: {
            "task": {"sequence_to_sequence": {"languages": ["fra_Latn", name], "max_target_length": 5}},
            "data": {"train": source, "test": source},
        }
        for name in ("eng_Latn", "deu_Latn")
    }
    report = mixed("two", tasks=tasks, model=str(tiny.translator(tmp_path, "nllb")), strategies=["lora"])
    for name in tasks:
        folder = report.folder / "model" / name
        reader = transformers.AutoTokenizer.from_pretrained(folder)
        told = transformers.GenerationConfig.from_pretrained(folder)
        assert (reader.src_lang, reader.tgt_lang) == ("fra_Latn", name)
        assert told.forced_bos_token_id == reader.convert_tokens_to_ids(name)
