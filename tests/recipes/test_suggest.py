"""A first recipe for a file reads back, fits the columns, and says what it found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import InputError
from tunesmith.data.audio import tone
from tunesmith.recipes.find import name_of
from tunesmith.recipes.recipe import Recipe, read_recipe
from tunesmith.recipes.suggest import OFFERED, suggest


def suggested(folder: Path, rows: list[dict[str, Any]], **options: Any) -> tuple[str, Recipe]:
    """The recipe for rows in a file, as text and as it reads back."""
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    text = suggest("rows.jsonl", base=folder, **options)
    (folder / "recipe.yaml").write_text(text)
    return text, read_recipe(folder / "recipe.yaml")


def reviews(number: int, **extra: Any) -> list[dict[str, Any]]:
    return [{"id": str(i), "review": f"this is review number {i}", "verdict": "good" if i % 3 else "bad", **extra} for i in range(number)]


def test_columns_are_found_by_what_they_hold(tmp_path: Path) -> None:
    text, recipe = suggested(
        tmp_path, [{"Wort des Tages": f"das ist Satz {i}", "Urteil, kurz": "gut" if i % 2 else "schlecht"} for i in range(90)]
    )
    assert recipe.data.columns == {"text": "Wort des Tages", "label": "Urteil, kurz"}
    assert "#   kind: single\n#   labels: gut, schlecht\n" in text


def test_columns_are_found_by_name_first(tmp_path: Path) -> None:
    _, recipe = suggested(tmp_path, [{**row, "category": "abc"[i % 3]} for i, row in enumerate(reviews(90))])
    assert recipe.data.columns == {"text": "review", "label": "category"}


@pytest.mark.parametrize(
    ("label", "kind"),
    [(lambda i: ["a", "b"][: i % 3], "multi"), (lambda i: i / 7, "regression"), (lambda i: i % 5, "single")],
)
def test_the_kind_of_label_is_told(tmp_path: Path, label: Any, kind: str) -> None:
    text, recipe = suggested(tmp_path, [{"text": f"this is text {i}", "label": label(i)} for i in range(1, 120)])
    assert f"#   kind: {kind}\n" in text
    assert recipe.task.kind == "auto"  # type: ignore[attr-defined]


def test_pairs_of_texts(tmp_path: Path) -> None:
    rows = [{"question": f"is it {i} or more", "passage": f"it is {i} and more", "label": i % 2} for i in range(60)]
    assert suggested(tmp_path, rows)[1].data.columns == {"text": "question", "text_pair": "passage", "label": "label"}


def test_texts_in_another_script_get_a_hint(tmp_path: Path) -> None:
    rows = [{"text": f"这家酒店很好{i}", "label": "正面" if i % 2 else "负面"} for i in range(60)]
    assert "xlm-roberta" in suggested(tmp_path, rows)[0]
    assert "xlm-roberta" not in suggested(tmp_path, reviews(60))[0]
    text, recipe = suggested(tmp_path, rows, model="my models: zh")
    assert recipe.model == "my models: zh"
    assert "xlm-roberta" not in text


def test_the_strategies_in_the_recipe_work_without_their_comment_sign(tmp_path: Path) -> None:
    text, recipe = suggested(tmp_path, reviews(60))
    assert recipe.auto is not None
    text = text.replace("strategies: auto", "#").replace("# strategies:", "strategies:").replace("#   - ", "  - ")
    (tmp_path / "recipe.yaml").write_text(text.replace("  # learning_rate", "  learning_rate"))
    everything = read_recipe(tmp_path / "recipe.yaml")
    assert len(everything.strategies) + len(everything.watch) == len(OFFERED)
    assert everything.training.learning_rate == 5e-5


ROWS: dict[str, list[dict[str, Any]]] = {
    "token_classification": [{"tokens": ["Ann", "lives", "in", f"Paris{i}"], "tags": ["B-PER", "O", "O", "B-LOC"]} for i in range(40)],
    "extractive_qa": [
        {"question": f"who is {i}", "context": f"it is Ann {i}", "answers": {"text": ["Ann"], "answer_start": [6]}} for i in range(40)
    ],
    "multiple_choice": [{"question": f"what is {i}", "choices": ["one", "two"], "answer": i % 2} for i in range(40)],
    "ranking": [{"query": f"what is {i}", "candidates": [f"this is {i}", "that is all"], "relevance": [1, 0]} for i in range(40)],
    "sequence_to_sequence": [{"document": f"a long text with number {i} in it", "summary": f"number {i}"} for i in range(40)],
    "chat": [{"messages": [{"role": "user", "content": f"hello {i}"}, {"role": "assistant", "content": f"hi {i}"}]} for i in range(40)],
    "preference": [{"prompt": f"hello {i}", "chosen": f"hello to you, {i}", "rejected": f"{i}"} for i in range(40)],
    "embedding": [{"anchor": f"a text {i}", "positive": f"a like text {i}"} for i in range(40)],
    "text_classification": [{"text": f"a text {i}", "label": "ab"[i % 2]} for i in range(40)],
}


@pytest.mark.parametrize("task", ROWS)
def test_the_task_is_told_by_the_columns(tmp_path: Path, task: str) -> None:
    assert name_of(suggested(tmp_path, ROWS[task])[1].task) == task


@pytest.mark.parametrize(("column", "task"), [("answer", "sequence_to_sequence"), ("passage", "embedding")])
def test_answers_to_questions_are_written_and_passages_are_found(tmp_path: Path, column: str, task: str) -> None:
    rows = [{"question": f"what is {i} and {i}", column: f"it is {2 * i}"} for i in range(40)]
    assert name_of(suggested(tmp_path, rows)[1].task) == task


@pytest.mark.parametrize(("long", "task"), [(True, "causal_language_modelling"), (False, "text_classification")])
def test_what_says_where_documents_come_from_is_no_label(tmp_path: Path, long: bool, task: str) -> None:
    rows = [{"text": f"the text {i} goes on " * (80 if long else 1), "source": ("c4", "wiki")[i % 2]} for i in range(40)]
    assert name_of(suggested(tmp_path, rows)[1].task) == task


@pytest.mark.parametrize(
    ("columns", "task"),
    [(("text", "label"), "speech_recognition"), (("text",), "speech_recognition"), (("label",), "audio_classification")],
)
def test_recordings_are_heard(tmp_path: Path, columns: tuple[str, ...], task: str) -> None:
    rows = [{"text": f"so is it {i}", "label": "en" if i % 2 else "es", "audio": tone(300 + 20 * i, 0.05)} for i in range(40)]
    given = [{name: value for name, value in row.items() if name in (*columns, "audio")} for row in rows]
    assert name_of(suggested(tmp_path, given)[1].task) == task


def test_large_data_hold_out_a_test(tmp_path: Path) -> None:
    small, large = suggested(tmp_path, reviews(60))[1], suggested(tmp_path, reviews(2400))[1]
    assert (small.data.test, large.data.test) == (None, "10%")


def test_files_of_a_folder_are_its_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, reviews(60))))
    text = suggest(str(tmp_path))
    assert "test: auto " in text
    assert "validation: 10% " in text


def test_bad_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    text, recipe = suggested(tmp_path, [*reviews(60), {"id": "x", "review": "", "verdict": "good"}])
    assert recipe.data.on_bad_row == "skip"
    assert "rows of no use: 1; the first: " in text
    assert "on_bad_row" not in suggested(tmp_path, reviews(60))[0]


@pytest.mark.parametrize(
    "rows",
    [[{"price": i / 7, "label": "ab"[i % 2]} for i in range(30)], [{"id": i} for i in range(30)]],
)
def test_columns_that_fit_no_task(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="No task fits these columns"):
        suggested(tmp_path, rows)


def test_a_model_of_many_languages_is_given_two(tmp_path: Path) -> None:
    rows = [{"source": f"the film number {i}", "target": f"der Film Nummer {i}"} for i in range(60)]
    text, recipe = suggested(tmp_path, rows, model="facebook/nllb-200-distilled-600M")
    assert recipe.task.languages == ["eng_Latn", "fra_Latn"]  # type: ignore[attr-defined]
    assert "# change them: " in text
    assert suggested(tmp_path, rows, model="google-t5/t5-small")[1].task.languages == []  # type: ignore[attr-defined]
