"""What tests/conftest.py forbids to every test is caught, even where the test itself passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from house.source import ROOT

SAMPLE = """
import socket, contextlib, conftest

def test_looks_up_a_stranger():
    with contextlib.suppress(OSError):
        socket.create_connection(("example.org", 80), 1)

def test_connects_to_a_stranger():
    with contextlib.suppress(OSError), socket.socket() as stranger:
        stranger.connect(("192.0.2.1", 80))

def test_talks_to_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass

def test_writes_elsewhere(tmp_path):
    (tmp_path / "kept.txt").touch()

def test_leaves_a_file():
    (conftest.CHECKOUT / "left.txt").touch()
"""


def test_the_network_and_the_checkout_are_out_of_bounds(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(f"{SAMPLE}\nfrom pathlib import Path\nconftest.CHECKOUT = Path({str(tmp_path)!r})\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    refused = [line for line in done.stdout.splitlines() if line.startswith("the test ")]
    assert refused == [
        "the test reached for the network: example.org",
        "the test reached for the network: 192.0.2.1",
        "the test left left.txt in the checkout: write into tmp_path",
    ], done.stdout
    assert "5 passed, 3 errors" in done.stdout
