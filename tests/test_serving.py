"""A model behind HTTP: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen

import pytest
import torch
import transformers
import uvicorn
from anyio.to_thread import current_default_thread_limiter
from starlette.testclient import TestClient

import tiny
from tunesmith import serving
from tunesmith.core.errors import InputError
from tunesmith.data.chat_template import TURNS
from tunesmith.model.build import build_for
from tunesmith.model.quiet import quiet
from tunesmith.serving import LOCAL, Served, application, decoded_row, hosts_of
from tunesmith.tasks.chat import Chat
from tunesmith.tasks.image_classification import ImageClassification
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.tuned import Tuned

CHAT = "/v1/chat/completions"
QUESTION = {"messages": [{"role": "user", "content": "the film ?"}]}


def client(served: Served, host: str = "127.0.0.1") -> TestClient:
    return TestClient(application(served, LOCAL), base_url=f"http://{host}:8000")


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A classifier."""
    task = TextClassification(max_length=16)
    task.learn([{"text": "a good film", "label": "good"}, {"text": "a bad film", "label": "bad"}])
    model = build_for(task, str(tiny.folder(tmp_path_factory.mktemp("models") / "bert")))
    return Served("moods", Tuned(model, task, {"text": "review"}, {}, "float32"))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A model that was tuned to chat."""
    folder = tmp_path_factory.mktemp("models") / "chatty"
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(tiny.configs["llama"]())
    with torch.no_grad():
        model.get_input_embeddings().weight[: len(tiny.SPECIAL)] = 0  # it says words
    with quiet():
        model.save_pretrained(folder)
    tokenizer = tiny.tokenizer(token_types=False)
    tokenizer.eos_token, tokenizer.chat_template = "[SEP]", TURNS
    tokenizer.save_pretrained(folder)
    task = Chat(max_length=32, max_new_tokens=8)
    return Served("talk", Tuned(build_for(task, str(folder)), task, {}, {}, "float32"))


def test_rows_are_answered_as_predict_does(moods: Served) -> None:
    rows = ["a good film", {"review": "the worst film"}, {"text": "fine"}]
    for asked in ({"rows": rows[:1]}, rows[:1], {"rows": rows[1:2]}, {"rows": rows[2:]}):
        done = client(moods).post("/predict", json=asked)
        assert done.status_code == 200, done.text
        one = asked if isinstance(asked, list) else asked["rows"]
        assert done.json()["predictions"][0]["label"] == moods.tuned.predict(one)[0]["label"]
    about = client(moods).get("/").json()
    assert (about["task"], about["labels"], about["chat"]) == ("text_classification", ["bad", "good"], False)
    assert about["columns"][0] == {"name": "text", "required": True, "base64": False}
    assert client(moods).get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"rows": []}, "no list of rows"),
        ({"rows": "/etc/passwd"}, "no list of rows"),
        ({"rows": [["a"]]}, "no list of rows"),
        ({"rows": [{"nothing": 1}]}, "column"),
        ({"rows": ["a"] * 1001}, "1,001 rows"),
    ],
)
def test_what_is_no_row_is_refused(moods: Served, asked: Any, message: str) -> None:
    done = client(moods).post("/predict", json=asked)
    assert done.status_code == 422
    assert message in json.dumps(done.json()["problems"])


def test_requests_are_bounded_and_of_json(moods: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    page = client(moods)
    assert page.post("/predict", content="rows=a", headers={"content-type": "text/plain"}).status_code == 415
    assert page.post("/predict", content="{", headers={"content-type": "application/json"}).status_code == 400
    assert page.post("/predict", content="[" * 100_000, headers={"content-type": "application/json"}).status_code == 400
    assert page.post("/predict", content="3", headers={"content-type": "application/json"}).status_code == 400
    monkeypatch.setattr(serving, "MOST_BYTES", 100)
    assert page.post("/predict", json={"rows": ["a" * 200]}).status_code == 413


def test_only_who_may_ask_is_answered(moods: Served) -> None:
    assert client(moods, "evil.example").get("/health").status_code == 400
    locked = client(Served("moods", moods.tuned, token="secret"))
    assert locked.get("/").status_code == 401
    assert locked.post("/predict", json=["a"], headers={"authorization": "Bearer other"}).status_code == 401
    assert locked.post("/predict", json=["a"], headers={"authorization": "Bearer secret"}).status_code == 200
    assert locked.get("/health").status_code == 200


def test_others_may_ask_where_a_token_is_set() -> None:
    assert hosts_of("127.0.0.1", "") == [*LOCAL, "127.0.0.1"]
    assert hosts_of("localhost", "")[0] == "localhost"
    assert hosts_of("0.0.0.0", "secret") == ["*"]
    for host in ("0.0.0.0", "192.168.0.1", "example.org"):
        with pytest.raises(InputError, match="no token is set"):
            hosts_of(host, "")


def test_a_conversation_is_answered_whole_and_in_pieces(talk: Served) -> None:
    asked: dict[str, Any] = {**QUESTION, "max_tokens": 6, "model": "talk"}
    done = client(talk).post(CHAT, json=asked)
    assert done.status_code == 200, done.text
    (choice,) = done.json()["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    streamed = client(talk).post(CHAT, json={**asked, "stream": True}).text
    events = [line.removeprefix("data: ") for line in streamed.splitlines() if line]
    assert events[-1] == "[DONE]"
    pieces = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1]]
    assert "".join(pieces).strip() == choice["message"]["content"]
    assert json.loads(events[-2])["choices"][0]["finish_reason"] == "stop"
    longer = {**asked, "messages": [*asked["messages"], {"role": "assistant", "content": "fine"}, {"role": "user", "content": "why ?"}]}
    assert client(talk).post(CHAT, json=longer).status_code == 200
    assert not talk.lock.locked()


def test_who_hangs_up_leaves_the_model_to_others(talk: Served) -> None:
    """A real server and a real connection, which ends in the middle of an answer."""
    served = Served("talk", talk.tuned)
    server = uvicorn.Server(uvicorn.Config(application(served, LOCAL), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    asked = json.dumps({**QUESTION, "max_tokens": 4000, "stream": True})
    with socket.create_connection(("127.0.0.1", port)) as line:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(asked)}\r\n\r\n"
        line.sendall((head + asked).encode())
        assert line.recv(100).startswith(b"HTTP/1.1 200")
    short = json.dumps({**QUESTION, "max_tokens": 1}).encode()
    with urlopen(Request(f"http://127.0.0.1:{port}{CHAT}", short, {"content-type": "application/json"}), timeout=60) as answer:
        assert answer.status == 200
    server.should_exit = True
    thread.join(20)


def test_more_may_ask_at_once_than_there_are_threads(talk: Served) -> None:
    app, codes = application(Served("talk", talk.tuned), LOCAL), list[int]()
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": CHAT, "headers": headers, "query_string": b"", "asgi": {"spec_version": "2.4"}}

    async def ask(stream: bool) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps({**QUESTION, "max_tokens": 4, "stream": stream}).encode()}

        async def send(message: Any) -> None:
            codes.extend([message["status"]] if "status" in message else [])

        await app(dict(scope), receive, send)

    async def ask_at_once() -> None:
        current_default_thread_limiter().total_tokens = 1
        await asyncio.gather(ask(True), ask(True), ask(False))

    thread = threading.Thread(target=asyncio.run, args=[ask_at_once()], daemon=True)
    thread.start()
    thread.join(60)
    assert codes == [200, 200, 200]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": []}, "no messages"),
        ({"messages": [{"role": "user"}]}, "no messages"),
        ({"messages": [{"role": "assistant", "content": "hello"}]}, "of the assistant"),
        ({"max_tokens": 0}, "max_new_tokens is 0"),
        ({"temperature": "hot"}, "temperature is"),
        ({"max_tokens": True}, "max_new_tokens is true"),
        ({"stop": [1]}, "stop is no text"),
        ({"temprature": 1}, "'temprature' is not read"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(talk: Served, change: dict[str, Any], message: str) -> None:
    done = client(talk).post(CHAT, json={**QUESTION, **change})
    assert done.status_code == 422
    assert message in done.json()["problems"][0]["message"]
    assert not talk.lock.locked()


def test_other_models_hold_no_conversation(moods: Served) -> None:
    done = client(moods).post(CHAT, json={"messages": [{"role": "user", "content": "hello"}]})
    assert (done.status_code, "no conversations" in done.text) == (422, True)


def test_a_text_is_never_the_name_of_a_file(moods: Served, talk: Served, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("review\none\ntwo\n", encoding="utf-8")
    asked = {"rows": [str(tmp_path / "secret.csv")]}
    for served in (moods, talk):
        assert len(client(served).post("/predict", json=asked).json()["predictions"]) == 1


def test_a_path_is_never_opened(tmp_path: Path) -> None:
    files = {"image", "picture"}
    held = base64.b64encode(b"content").decode()
    assert decoded_row({"picture": held, "text": "a"}, files, 1) == {"picture": b"content", "text": "a"}
    (tmp_path / "secret.png").write_bytes(b"secret")
    for value in (str(tmp_path / "secret.png"), {"path": str(tmp_path / "secret.png")}, None, 3):
        with pytest.raises(InputError, match="row 2: image is no file in base64"):
            decoded_row({"image": value}, files, 2)
    assert decoded_row({"text": "a"}, set(), 1) == {"text": "a"}


@pytest.mark.parametrize("name", ["image", "Image", "i_m g", "PHOTO", "my photo"])
def test_a_path_is_never_opened_by_any_name_that_a_column_of_files_is_found_by(name: str) -> None:
    asked: list[Any] = []
    tuned: Any = SimpleNamespace(task=ImageClassification(), columns={"image": "my photo"}, predict=lambda rows: asked.extend(rows) or [])
    served = Served("pictures", tuned)
    with pytest.raises(InputError, match=f"row 1: {name} is no file in base64"):
        served.predictions([{name: "/home/u/x.png"}])
    served.predictions([{name: base64.b64encode(b"content").decode()}])
    assert asked == [{name: b"content"}]


def test_it_listens_with_the_token_that_was_given(moods: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **told: started.append((app, told)))
    monkeypatch.setattr(serving, "load", lambda which, runs: moods.tuned)
    serving.serve("runs/moods", "runs", "127.0.0.1", 8123, "secret")
    ((app, told),) = started
    assert (told["host"], told["port"]) == ("127.0.0.1", 8123)
    locked = TestClient(app, base_url="http://127.0.0.1:8123")
    assert locked.get("/").status_code == 401
    assert locked.get("/", headers={"authorization": "Bearer secret"}).json()["model"] == "moods"
