"""The application: its help, its start, and what every command has in common."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import Command
from tunesmith.cli.app import application, run

COMMANDS = [
    "quickstart",
    "samples",
    "init",
    "advise",
    "check",
    "explain",
    "train",
    "search",
    "ablate",
    "resume",
    "compare",
    "ensemble",
    "predict",
    "eval",
    "audit",
    "chat",
    "serve",
    "select",
    "export",
    "report",
    "list",
    "cache",
    "env",
]
HEAVY = ("torch", "transformers", "numpy", "pyarrow", "pydantic", "rich", "tunesmith.recipes", "tunesmith.samples")


def test_the_commands_in_the_order_in_which_they_are_met(tunesmith: Command) -> None:
    done = tunesmith()
    listed = [line.split()[0] for line in done.out.partition("Commands:\n")[2].splitlines()]
    assert (done.code, listed) == (0, COMMANDS)
    assert done.out == tunesmith("--help").out == tunesmith("-h").out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_reads_well_at_80_columns(command: str, tunesmith: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = tunesmith(*command.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert "..." not in re.sub(r"(\[[A-Z=]+\]|[A-Z]+)\.\.\.", "", done.out)  # nothing is cut off
    assert done.out.startswith(f"Usage: tunesmith {command}".strip())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_each_of_its_parts_and_has_json(command: str) -> None:
    params = application.commands[command].params
    assert "--json" in {option for param in params for option in param.opts}
    assert [param.name for param in params if not getattr(param, "help", None)] == []


@pytest.mark.parametrize("arguments", [[], ["--version"], ["--help"], ["train", "--help"], ["advise", "--help"], ["trian"]])
def test_starting_imports_nothing_heavy(arguments: list[str]) -> None:
    program = f"import sys; from tunesmith.cli.app import run; run({arguments}); print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version(tunesmith: Command) -> None:
    assert tunesmith("--version").out.startswith("tunesmith 0.")


def test_errors_of_a_real_process(here: Path) -> None:
    def process(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "tunesmith", *arguments], capture_output=True, text=True, check=False)

    plain = process("train", "no.yaml")
    assert (plain.returncode, plain.stdout, len(plain.stderr.splitlines())) == (2, "", 1)
    as_json = process("list", "nothing", "--json")
    assert (as_json.returncode, as_json.stderr, json.loads(as_json.stdout)["exit_code"]) == (2, "", 2)


def test_a_reader_that_has_seen_enough_is_no_error(here: Path) -> None:
    program = "import sys; from tunesmith.cli.app import run; sys.exit(run(['samples']))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", 0)


def test_a_file_that_may_not_be_read(tunesmith: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "reviews.csv")

    monkeypatch.setattr("tunesmith.checking.check", refuse)
    done = tunesmith("check", "recipe.yaml")
    assert (done.code, done.err) == (3, "reviews.csv: Permission denied. Change its permissions, or name another.\n")


def test_memory_that_does_not_suffice(tunesmith: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("tunesmith.checking.check", refuse)
    assert tunesmith("check", "recipe.yaml", "--json").json["exit_code"] == 3


def test_run_takes_its_arguments_and_leaves_them() -> None:
    arguments = ["--version"]
    assert run(arguments) == 0
    assert arguments == ["--version"]
