"""What holds for every test: no network, one thread, the same random numbers every time, and nothing left in the checkout."""

from __future__ import annotations

import os
import tempfile

# Before torch or transformers is imported, here or in a process that a test starts.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "TUNESMITH_CACHE": tempfile.mkdtemp(prefix="tunesmith-cache-"),
}

import ipaddress
import random
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

CHECKOUT = Path(__file__).parents[1]

# A failing example must fail again for everyone, so CI searches where everybody else's last search began.
hypothesis.settings.register_profile("tunesmith", deadline=None, database=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("tunesmith")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["TUNESMITH_CACHE"], ignore_errors=True)


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Every test starts from seed 0, whatever ran before it."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def clean_checkout() -> Iterator[None]:
    """A test writes into ``tmp_path``: one that leaves something in the checkout fails."""
    before = {path.name for path in CHECKOUT.iterdir()}
    yield
    left = {path.name for path in CHECKOUT.iterdir()} - before
    if left:
        pytest.fail(f"the test left {', '.join(sorted(left))} in the checkout: write into tmp_path", pytrace=False)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that looks up or connects to another machine fails, even where the code under test survives it."""
    tried: list[str] = []

    def guard(owner: Any, name: str, host_of: Callable[..., Any]) -> None:
        original = getattr(owner, name)

        def guarded(*args: Any, **kwargs: Any) -> Any:
            host = host_of(*args, **kwargs)
            if not is_local(host):
                tried.append(str(host))
                raise socket.gaierror(f"tests have no network: {host}")
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, guarded)

    guard(socket, "getaddrinfo", lambda host, *rest, **options: host)
    for name in ("connect", "connect_ex"):
        guard(socket.socket, name, lambda sock, address: address[0] if isinstance(address, tuple) else None)
    yield
    if tried:
        pytest.fail(f"the test reached for the network: {', '.join(tried)}", pytrace=False)


def is_local(host: str | bytes | None) -> bool:
    """Whether a host is this machine: None (any address, or a Unix socket), its names, and the loopback range."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback
    except ValueError:
        return False
