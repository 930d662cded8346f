"""The application: its commands, and how every error becomes one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from contextlib import ExitStack, redirect_stdout
from dataclasses import asdict
from pathlib import Path

import click

from tunesmith.cli import advising, auditing, combining, exporting, keeping, looking, selecting, serving, show, talking, training, using
from tunesmith.core.errors import InputError, InterruptedRunError, Problem, ResourceError, TunesmithError, shown

# What the system may refuse, and what its owner can do about it.
REFUSALS = {
    errno.ENOSPC: "Free some space",
    errno.EDQUOT: "Free some space, or ask for a larger quota",
    errno.EROFS: "Name a folder that can be written",
    errno.EACCES: "Change its permissions, or name another",
    errno.EPERM: "Change its permissions, or name another",
    errno.EMFILE: "Close other programs, or raise the limit: ulimit -n 4096",
}


class InOrder(click.Group):
    """Lists its commands as they were added: in the order in which a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tunesmith", message="%(package)s %(version)s")
@click.pass_context
def application(context: click.Context) -> None:
    """Fine-tune a pre-trained transformer model, and see how much better than its base it became.

    \b
    Begin with: tunesmith quickstart
    or:         tunesmith init YOUR_FILE.csv
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    training.quickstart,
    keeping.samples,
    using.init,
    advising.advise,
    looking.check,
    looking.explain,
    training.train,
    training.search,
    training.ablate,
    training.resume,
    combining.compare,
    combining.ensemble,
    using.predict,
    using.evaluate,
    auditing.audit,
    talking.chat,
    serving.serve,
    selecting.select,
    exporting.export,
    looking.report,
    looking.listing,
    keeping.cache,
    looking.env,
):
    application.add_command(command)


def run(arguments: list[str]) -> int:
    """Carry out a command line. Returns the exit code: 0 ok, 1 a bug of ours, 2 input, 3 resources, 4 diverged, 5 integrity, 130/143.

    Of the processes that torchrun starts, the first one alone prints results.
    """
    as_json = "--json" in arguments
    with ExitStack() as entered:
        if not show.first_process():
            entered.enter_context(redirect_stdout(entered.enter_context(Path(os.devnull).open("w"))))
        try:
            return carry_out(arguments)
        except TunesmithError as error:
            return tell(error, as_json)
        except click.ClickException as error:
            command = next((f" {word}" for word in arguments if word in application.commands), "")
            return tell(InputError(" ".join(error.format_message().split()), remedy=f"See `tunesmith{command} --help`"), as_json)
        except KeyboardInterrupt:
            return tell(InterruptedRunError("Interrupted"), as_json)
        except MemoryError:
            return tell(ResourceError("The memory does not suffice", remedy="Close other programs, or name a smaller model"), as_json)
        except Exception as error:
            if not show.first_process() and "by peer" in str(error):  # another process has ended, and said why
                return TunesmithError.exit_code
            return tell(refused(error) or fault(), as_json)


def refused(error: Exception) -> ResourceError | None:
    """What the system did not give, where that is what went wrong."""
    if not isinstance(error, OSError) or error.errno not in REFUSALS:
        return None
    return ResourceError(Problem(error.strerror or "the system refuses", REFUSALS[error.errno], str(error.filename or "")))


def fault() -> TunesmithError:
    """An error that nobody foresaw: it is shown in full."""
    traceback.print_exc()
    return TunesmithError("This is a fault of tunesmith", remedy="Please report it, with the lines above and what `tunesmith env` prints")


def carry_out(arguments: list[str]) -> int:
    """Parse and run a command; raises what it raises."""
    try:
        with application.make_context("tunesmith", list(arguments)) as context:
            application.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except BrokenPipeError:  # the reader of a pipe has what it wanted: no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def tell(error: TunesmithError, as_json: bool) -> int:
    """Print every problem, lines on standard error, or one document on standard output for ``--json``. Returns the exit code.

    Every process that torchrun starts meets the same errors, and the first one tells them; memory may run out in one of them only.
    """
    if as_json and show.first_process():
        show.document({"exit_code": error.exit_code, "problems": [asdict(problem) for problem in error.problems]})
    elif show.first_process():
        show.wrong(shown(error.problems))
    elif isinstance(error, ResourceError):
        show.wrong([f"rank {os.environ['RANK']}: {error}"])
    return error.exit_code
