"""The hub: what is asked of it, and every way in which it does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

import tiny
from tunesmith.core.errors import InputError, ResourceError, TunesmithError
from tunesmith.model.hub import snapshot

INSTEAD = "Name a folder."


def test_only_safetensors_and_texts_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, asked, said = tiny.folder(tmp_path), {}, []

    def fetch(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert snapshot("org/name@v1.0", said.append, INSTEAD) == folder
    assert (asked["name"], asked["revision"]) == ("org/name", "v1.0")
    assert not any(pattern.endswith((".bin", ".pt", ".py", "*")) for pattern in asked["allow_patterns"])
    assert said == ["Fetching org/name@v1.0 from the Hugging Face hub."]


def response(status: int) -> Any:
    """What the client holds of an answer."""
    request = type("Request", (), {"method": "GET", "url": "https://huggingface.co"})
    return type("Response", (), {"status_code": status, "headers": {}, "request": request, "text": ""})()


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (errors.LocalEntryNotFoundError("offline"), ResourceError, "no folder 'org/name' here, and the Hugging Face hub cannot be reached"),
        (errors.RepositoryNotFoundError("404", response=response(404)), InputError, "Neither a folder here nor the hub has 'org/name'"),
        (errors.HFValidationError("bad name"), InputError, "Neither a folder here nor the hub has 'org/name'"),
        (errors.GatedRepoError("403", response=response(403)), InputError, "Accept its terms on https://huggingface.co/org/name"),
        (OSError("No space left on device"), ResourceError, "No space left on device"),
    ],
)
def test_every_failure_has_its_remedy(error: Exception, kind: type[TunesmithError], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, **options: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(kind, match=message):
        snapshot("org/name", None, INSTEAD)


def test_a_repository_of_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: str(tmp_path))
    with pytest.raises(InputError, match="no safetensors weights of 'org/name'"):
        snapshot("org/name", None, INSTEAD)


def test_offline_for_real() -> None:
    with pytest.raises(ResourceError, match=r"cannot be reached\. Name a folder\."):
        snapshot("org/name", None, INSTEAD)
