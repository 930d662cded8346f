"""A tuned model behind HTTP: rows in, predictions out, as JSON; and OpenAI's form of chat for models that were tuned to chat.

What comes in is not trusted: it is bounded, a path in it is never opened, and a page of the web cannot ask through its reader's browser.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import ipaddress
import json
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.completions import conversation_of, decoding_of, events, whole
from tunesmith.conversing import ASSISTANT, Conversation
from tunesmith.core.errors import InputError, Problem, ResourceError, TunesmithError
from tunesmith.data.asking import row_of
from tunesmith.data.chat_turns import Turns
from tunesmith.data.columns import plain_name
from tunesmith.recipes.find import name_of
from tunesmith.report.folder import plain
from tunesmith.tuned import Tuned, load

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

MOST_ROWS = 1_000  # of one request
MOST_BYTES = 16 * 2**20  # of one request
CHATS = ("chat", "preference")  # tasks whose models hold conversations
LOCAL = ("localhost", "127.0.0.1")  # how browsers call this machine


@dataclass
class Served:
    """A model that answers requests, one at a time: ``name`` is what it is called, ``token`` what a request must show, if anything.

    Who asks it holds ``lock`` till the answer is whole. Requests wait for that in the event loop: in threads, of which there are few,
    they would leave none to the request that they wait for.
    """

    name: str
    tuned: Tuned
    token: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

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
        with closing(talk.ask(messages[-1]["content"])) as pieces:
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
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def about(request: Request) -> Response:
        check_token(request, served.token)
        return JSONResponse(served.about())

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def predict(request: Request) -> Response:
        asked = await asked_in(request, served.token)
        async with served.lock:
            return JSONResponse({"predictions": await run_in_threadpool(served.predictions, asked)})

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, TunesmithError)
        return JSONResponse({"problems": [asdict(problem) for problem in error.problems]}, getattr(error, "status", 422))

    routes = [Route("/", about), Route("/health", health)]
    routes += [Route("/predict", predict, methods=["POST"]), Route("/v1/chat/completions", Chat(served), methods=["POST"])]
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))]
    return Starlette(routes=routes, middleware=middleware, exception_handlers={TunesmithError: refused})


@dataclass
class Chat:
    """An application for one address, which answers conversations: it holds the model till the answer is sent, or who asked hangs up."""

    served: Served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from anyio import CancelScope
        from starlette.concurrency import run_in_threadpool
        from starlette.requests import Request
        from starlette.responses import JSONResponse, StreamingResponse

        asked, name = await asked_in(Request(scope, receive), self.served.token), self.served.name
        asked = asked if isinstance(asked, dict) else {}
        async with self.served.lock:
            pieces = self.served.answer(asked)
            try:
                first = await run_in_threadpool(next, pieces, "")
                response: Response = StreamingResponse(events(name, first, pieces), media_type="text/event-stream")
                if not asked.get("stream"):
                    response = JSONResponse(whole(name, first + await run_in_threadpool("".join, pieces)))
                await response(scope, receive, send)
            finally:
                with CancelScope(shield=True):
                    await run_in_threadpool(pieces.close)


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
