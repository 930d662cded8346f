"""A tuned model behind HTTP: rows in, predictions out, as JSON; and OpenAI's form of chat for models that were tuned to chat.

What comes in is not trusted: it is bounded, a path in it is never opened, and a page of the web cannot ask through its reader's browser.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import json
import time
from collections.abc import AsyncIterator, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from tunesmith.conversing import ASSISTANT, USER, Conversation
from tunesmith.core.errors import InputError, Problem, ResourceError, TunesmithError
from tunesmith.data.asking import row_of
from tunesmith.data.chat_turns import Turns
from tunesmith.data.columns import plain_name
from tunesmith.model.decoding import Decoding
from tunesmith.recipes.find import did_you_mean, name_of
from tunesmith.report.folder import plain
from tunesmith.tuned import Tuned, load

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MOST_ROWS = 1_000  # of one request
MOST_BYTES = 16 * 2**20  # of one request
MOST_TOKENS = 4_096  # of one answer
CHATS = ("chat", "preference")  # tasks whose models hold conversations
LOCAL = ("localhost", "127.0.0.1")  # how browsers call this machine
# what a request for an answer may say -> the field of ``Decoding``, where it is one
CHAT_KEYS = {
    **dict.fromkeys(("messages", "stream", "model", "user"), ""),
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), "max_new_tokens"),
    **{name: name for name in ("temperature", "top_p", "seed", "stop")},
}


@dataclass
class Served:
    """A model that answers requests, one at a time: ``name`` is what it is called, ``token`` what a request must show, if anything."""

    name: str
    tuned: Tuned
    token: str = ""
    lock: Lock = field(default_factory=Lock)

    @property
    def chats(self) -> bool:
        return name_of(self.tuned.task) in CHATS

    def about(self) -> dict[str, Any]:
        """What the model is asked for."""
        columns = [
            {"name": column.role, "required": column.required, "base64": column.file}
            for column in self.tuned.task.columns()
            if not column.truth
        ]
        facts = {
            "model": self.name,
            "task": name_of(self.tuned.task),
            "columns": columns,
            "chat": self.chats,
            "tunesmith": version("tunesmith"),
        }
        labels = getattr(self.tuned.task, "labels", None)
        return facts | ({"labels": list(labels)} if labels else {})

    def predictions(self, asked: Any) -> list[Any]:
        """The predictions for the rows of a request. Raises ``InputError`` with everything that is wrong with them."""
        rows = asked.get("rows") if isinstance(asked, Mapping) else asked
        if not isinstance(rows, list) or not rows or not all(isinstance(row, str | dict) for row in rows):
            remedy = 'Send {"rows": [...]}, each a text or an object with the columns that GET / names'
            raise InputError(Problem("there is no list of rows", remedy))
        if len(rows) > MOST_ROWS:
            raise InputError(Problem(f"there are {len(rows):,} rows, and {MOST_ROWS:,} are answered at a time", "Send fewer"))
        media = [column for column in self.tuned.task.columns() if column.file]
        names = {name for column in media for name in (column.role, *column.names, self.tuned.columns.get(column.role, column.role))}
        files = set(map(plain_name, names))
        told = [row_of(row, self.tuned.task) if isinstance(row, str) else row for row in rows]
        decoded = [decoded_row(row, files, place) for place, row in enumerate(told, 1)]
        with self.lock:
            return [plain(prediction) for prediction in self.tuned.predict(decoded)]

    def answer(self, asked: Mapping[str, Any]) -> Generator[str]:
        """The answer to a conversation, in pieces. Raises ``InputError`` before the first for a request that cannot be answered."""
        if not self.chats:
            raise InputError(Problem(f"the model was tuned for {name_of(self.tuned.task)} and holds no conversations", "POST /predict"))
        messages, decoding = conversation_of(asked), decoding_of(asked)
        tokenizer = self.tuned.model.tokenizer
        turns = Turns.of(tokenizer, [ASSISTANT])
        room = tokenizer.model_max_length
        talk = Conversation(self.tuned.forward(), tokenizer, turns, room, decoding, messages=messages[:-1])
        with self.lock, closing(talk.ask(messages[-1]["content"])) as pieces:
            yield from pieces


def decoded_row(row: Mapping[str, Any], files: Collection[str], number: int) -> dict[str, Any]:
    """A row of a request with the bytes of its files, which stand there in base64: a path of this machine is never opened.

    ``files`` are the names that columns of files can have, as ``plain_name`` makes them.
    """
    return {key: bytes_of(value, key, number) if plain_name(key) in files else value for key, value in row.items()}


def bytes_of(value: Any, key: str, number: int) -> bytes:
    """The content of a file from base64."""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InputError(Problem(f"row {number}: {key} is no file in base64", "Send the content of the file in base64")) from None


def conversation_of(asked: Mapping[str, Any]) -> list[dict[str, str]]:
    """The messages of a request, of which the last is the question."""
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages or not all(is_message(message) for message in messages):
        raise InputError(Problem("there are no messages", 'Send {"messages": [{"role": "user", "content": "..."}]}'))
    if messages[-1]["role"] != USER:
        raise InputError(Problem(f"the last message is of the {messages[-1]['role']}", "End with one of the user, which is answered"))
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def is_message(message: Any) -> bool:
    return isinstance(message, Mapping) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def decoding_of(asked: Mapping[str, Any]) -> Decoding:
    """How the answer is written. Raises ``InputError`` with every key that is not known and every value that cannot be."""
    problems = [Problem(f"'{key}' is not read", did_you_mean(key, list(CHAT_KEYS))) for key in asked if key not in CHAT_KEYS]
    given = {CHAT_KEYS[key]: value for key, value in asked.items() if CHAT_KEYS.get(key) and value is not None}
    numbers = {
        "max_new_tokens": (int, 1, MOST_TOKENS),
        "temperature": (int | float, 0, 100),
        "top_p": (int | float, 1e-6, 1),
        "seed": (int, 0, 2**63 - 1),
    }
    for name, (kind, low, high) in numbers.items():
        value = given.get(name, low)
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            problems.append(Problem(f"{name} is {json.dumps(value)}", f"Send a number from {low} to {high}"))
    stop = given.get("stop", [])
    given["stop"] = tuple([stop] if isinstance(stop, str) else stop if isinstance(stop, list) else [None])
    if not all(isinstance(text, str) and text for text in given["stop"]):
        problems.append(Problem("stop is no text and no list of texts", "Send a text before which the answer ends"))
    if problems:
        raise InputError(*problems)
    return Decoding(**{"max_new_tokens": 256, **given})


class RefusedError(InputError):
    """A request that is not looked at; ``status`` is what HTTP says of it."""

    def __init__(self, status: int, message: str, remedy: str) -> None:
        super().__init__(Problem(message, remedy))
        self.status = status


async def asked_in(request: Request, token: str) -> Any:
    """The content of a request. Raises ``RefusedError`` for one without the token, one too large, and one that is no JSON."""
    check_token(request, token)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":  # which no page may send unasked
        raise RefusedError(415, "the request is no JSON", "Send the header Content-Type: application/json")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise RefusedError(413, f"the request has more than {MOST_BYTES / 2**20:.0f} MB", "Send fewer rows")
    try:
        asked = json.loads(bytes(content))
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, list | dict):
        raise RefusedError(400, "the request is no JSON object", "Send one")
    return asked


def check_token(request: Request, token: str) -> None:
    """Raise ``RefusedError`` where the token is not shown."""
    shown = request.headers.get("authorization", "")
    if token and not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
        raise RefusedError(401, "the token is missing or wrong", "Send the header Authorization: Bearer TOKEN")


def application(served: Served, hosts: Sequence[str]) -> Starlette:
    """The application: GET / and /health, POST /predict and /v1/chat/completions. ``hosts`` are the names by which it may be called."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    async def about(request: Request) -> Response:
        check_token(request, served.token)
        return JSONResponse(served.about())

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def predict(request: Request) -> Response:
        asked = await asked_in(request, served.token)
        return JSONResponse({"predictions": await run_in_threadpool(served.predictions, asked)})

    async def chat(request: Request) -> Response:
        asked = await asked_in(request, served.token)
        pieces = served.answer(asked if isinstance(asked, dict) else {})
        first = await run_in_threadpool(next, pieces, "")
        if isinstance(asked, dict) and asked.get("stream"):
            return StreamingResponse(streamed(served.name, first, pieces), media_type="text/event-stream")
        message = {"role": ASSISTANT, "content": (first + await run_in_threadpool("".join, pieces)).strip()}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({**head(served.name, "chat.completion"), "choices": [choice]})

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, TunesmithError)
        return JSONResponse({"problems": [asdict(problem) for problem in error.problems]}, getattr(error, "status", 422))

    routes = [Route("/", about), Route("/health", health)]
    routes += [Route("/predict", predict, methods=["POST"]), Route("/v1/chat/completions", chat, methods=["POST"])]
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))]
    return Starlette(routes=routes, middleware=middleware, exception_handlers={TunesmithError: refused})


async def streamed(name: str, first: str, rest: Generator[str]) -> AsyncIterator[str]:
    """The events of an answer. Who hangs up in the middle ends it, so that the model is free for others."""
    from anyio import CancelScope
    from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

    try:
        async for event in iterate_in_threadpool(events(name, first, rest)):
            yield event
    finally:
        with CancelScope(shield=True):
            await run_in_threadpool(rest.close)


def head(name: str, kind: str) -> dict[str, Any]:
    """What every document of a conversation begins with."""
    now = time.time_ns()
    return {"id": f"chat-{now}", "object": kind, "created": now // 10**9, "model": name}


def events(name: str, first: str, rest: Iterator[str]) -> Iterator[str]:
    """The pieces of an answer as server-sent events."""
    about = head(name, "chat.completion.chunk")

    def event(delta: Mapping[str, str], reason: str | None) -> str:
        return f"data: {json.dumps({**about, 'choices': [{'index': 0, 'delta': delta, 'finish_reason': reason}]})}\n\n"

    yield event({"role": ASSISTANT, "content": first}, None)
    for piece in rest:
        yield event({"content": piece}, None)
    yield event({}, "stop")
    yield "data: [DONE]\n\n"


def hosts_of(host: str, token: str) -> list[str]:
    """The names by which a server that listens on ``host`` may be called. Raises ``InputError`` for an open door without a lock."""
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = host == "localhost"
    if inside:
        return [*LOCAL, host]
    if not token:
        remedy = "Set the environment variable TUNESMITH_TOKEN, which requests must then show, or leave --host out"
        raise InputError(Problem(f"others could ask the model through {host}, and no token is set", remedy))
    return ["*"]


def serve(which: str | Path, runs: str | Path, host: str, port: int, token: str) -> None:
    """Answer requests until the process is interrupted. Raises ``ResourceError`` where what serves is not installed."""
    try:
        import uvicorn
    except ImportError as error:
        raise ResourceError("uvicorn, which serves, is not installed", remedy="Run: pip install 'tunesmith[serve]'") from error
    hosts = hosts_of(host, token)
    served = Served(Path(str(which)).name, load(which, runs), token)
    uvicorn.run(application(served, hosts), host=host, port=port, log_level="warning", server_header=False)
