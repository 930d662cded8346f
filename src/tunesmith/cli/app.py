"""The application: its commands, and how every error becomes one line and an exit code."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict

import click
import typer

from tunesmith.cli import looking, training, using
from tunesmith.core.errors import InputError, ResourceError, TunesmithError, shown

INTERRUPTED = 130
ABOUT = """Fine-tune a pre-trained transformer model, and see how much better than its base it became.

Begin with: tunesmith quickstart, or tunesmith init --data FILE"""

# In the order in which a newcomer meets them.
COMMANDS: tuple[Callable[..., object], ...] = (
    training.quickstart,
    looking.samples,
    using.init,
    looking.check,
    looking.explain,
    training.train,
    training.resume,
    using.predict,
    using.evaluate,
    looking.report,
    looking.list_,
    looking.env,
)


def application() -> typer.Typer:
    """All commands. Plain help, without rich: it appears three times as fast."""
    app = typer.Typer(
        name="tunesmith", help=ABOUT, rich_markup_mode=None, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    app.callback(invoke_without_command=True)(_version)
    names = {"evaluate": "eval", "list_": "list"}
    for command in COMMANDS:
        app.command(names.get(command.__name__, command.__name__))(command)
    return app


def _version(version: bool = typer.Option(False, "--version", help="Show the version and leave.")) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"tunesmith {installed('tunesmith')}")
        raise typer.Exit


def run(arguments: list[str]) -> int:
    """Carry out a command line. Returns the exit code: 0 ok, 1 a bug of ours, 2 input, 3 resources, 4 diverged, 5 integrity, 130/143."""
    as_json = "--json" in arguments
    try:
        result = application()(arguments, standalone_mode=False, prog_name="tunesmith")
        return result if isinstance(result, int) else 0
    except TunesmithError as error:
        return _tell(error, as_json)
    except click.ClickException as error:
        return _tell(InputError(error.format_message(), remedy=_usage(error)), as_json)
    except (KeyboardInterrupt, click.Abort):
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has gone: not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        return _tell(ResourceError(f"{error.filename or 'the disk'}: {error.strerror}", remedy="Free some space and go on"), as_json)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"See: {context.command_path} --help" if context is not None else "See: tunesmith --help"


def _tell(error: TunesmithError, as_json: bool) -> int:
    """Print every problem: lines on standard error, or an object on standard output for ``--json``."""
    if as_json:
        print(json.dumps({"exit_code": error.exit_code, "problems": [asdict(problem) for problem in error.problems]}, ensure_ascii=False))
    else:
        print("\n".join(shown(error.problems)), file=sys.stderr)
    return error.exit_code
