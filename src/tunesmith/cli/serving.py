"""The command that answers requests: serve."""

from __future__ import annotations

import os

import click

from tunesmith.cli import show
from tunesmith.cli.tasks import task_option
from tunesmith.cli.using import model_argument


@click.command()
@model_argument
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen; others need TUNESMITH_TOKEN.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="The port to listen on.")
@task_option
@show.runs_option
@show.json_option
def serve(model: str, host: str, port: int, runs: str, as_json: bool) -> None:
    """Answer requests of other programs by HTTP.

    POST /predict takes rows, and /v1/chat/completions conversations as OpenAI has them.
    GET / says what a row holds. Only this machine may ask, unless --host says otherwise;
    then requests must show the token in the environment variable TUNESMITH_TOKEN.
    """
    url = f"http://{host}:{port}"
    show.document({"url": url}) if as_json else show.say(f"{url} answers when the model is loaded; Ctrl-C ends it.")
    from tunesmith import serving

    serving.serve(model, runs, host, port, os.environ.get("TUNESMITH_TOKEN", ""))
