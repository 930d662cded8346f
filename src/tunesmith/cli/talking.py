"""The command that talks with a model: chat."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli import show
from tunesmith.cli.tasks import task_option
from tunesmith.cli.using import model_argument
from tunesmith.core.errors import InputError

if TYPE_CHECKING:
    from tunesmith.conversing import Conversation

HELP = """\
/system TEXT  tell the model who it is; without a text, take that back
/reset        forget what was said
/help         show this
/quit         end, as Ctrl-D does; Ctrl-C stops an answer"""
PROMPT = "> "


@click.command()
@model_argument
@click.option("--system", default="", metavar="TEXT", help="What the model is told before the conversation.")
@click.option("--temperature", type=click.FloatRange(min=0), default=0.0, show_default=True, help="0 takes the likeliest token each time.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=256, show_default=True, help="The longest answer, in tokens.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Start of the random numbers of drawn answers.")
@task_option
@show.runs_option
@show.json_option
def chat(model: str, system: str, temperature: float, max_new_tokens: int, seed: int, runs: str, as_json: bool) -> None:
    """Talk with a chat model, tuned or not.

    Where standard input is no terminal, each of its lines is answered.
    """
    show.passing("Loading the model ...")
    from tunesmith.conversing import converse
    from tunesmith.model.decoding import Decoding

    conversation = converse(model, runs, Decoding(max_new_tokens, temperature=temperature, seed=seed), show.say)
    conversation.system(system)
    show.passing("")
    if sys.stdin.isatty():
        show.say("A line is a question. /help shows commands, /quit ends.")
    said = [_answered(conversation, line, as_json) for line in _questions(conversation)]
    if as_json:
        show.document(said)


def _questions(conversation: Conversation) -> Iterator[str]:
    """The lines that are to be answered; commands among them are carried out."""
    for line in _typed() if sys.stdin.isatty() else (line.strip() for line in sys.stdin):
        command, _, rest = line.partition(" ")
        if command in ("/quit", "/exit"):
            return
        if command.startswith("/"):
            show.say(_carried_out(command, rest.strip(), conversation))
        elif line:
            yield line


def _carried_out(command: str, rest: str, conversation: Conversation) -> str:
    """Do what a command says, and what there is to say of it."""

    def reset() -> str:
        conversation.reset()
        return "Forgotten."

    def system() -> str:
        conversation.system(rest)
        return f"The model is told: {rest}" if rest else "The model is told nothing."

    commands: dict[str, Callable[[], str]] = {"/reset": reset, "/system": system, "/help": lambda: HELP}
    return commands[command]() if command in commands else f"There is no {command}.\n{HELP}"


def _typed() -> Iterator[str]:
    """Lines that are typed, with the arrow keys where the system has them, up to Ctrl-D."""
    with suppress(ImportError):
        import readline  # noqa: F401 - input() uses it once it is there
    while True:
        try:
            yield input(PROMPT).strip()
        except KeyboardInterrupt:
            print()
            show.say("/quit or Ctrl-D ends.")
        except EOFError:
            print()
            return


def _answered(conversation: Conversation, question: str, silent: bool) -> dict[str, Any]:
    """Ask, and print the answer as it comes unless ``silent``. Ctrl-C at a terminal stops the answer alone."""
    terminal, written, stopped = sys.stdin.isatty(), "", False
    try:
        with closing(conversation.ask(question)) as pieces:
            for piece in pieces:
                if not written and conversation.dropped:
                    show.say(f"The oldest {conversation.dropped} messages are forgotten: they leave no room for the answer.")
                written += piece
                if not silent:
                    print(_harmless(piece), end="", flush=True)
    except KeyboardInterrupt:
        if not terminal:
            raise
        stopped = True
    except InputError as error:
        if not terminal:
            raise
        show.wrong([str(error)])
    if not silent:
        print(" [stopped]" if stopped else "")
    return {"question": question, "answer": written.strip(), "stopped": stopped, "forgotten": conversation.dropped}


def _harmless(text: str) -> str:
    """The text without characters that steer a terminal."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t\u200c\u200d")
