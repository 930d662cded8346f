"""Contenders that take turns, each in a process of its own, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Result = dict[str, Any]
Contender = Callable[..., Result]


def contest(about: str, contenders: Mapping[str, Contender], cases: Mapping[str, Mapping[str, Any]], rounds: int = 3) -> None:
    """Run every contender on every case, ``rounds`` times with another seed, and print each result and the ratios to the first.

    A contender gets the case's settings and ``seed`` by name, and returns ``score``, ``seconds`` and whatever else is worth a column; a
    ``digest`` of what it put out is compared with that of the first.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--cases", nargs="*", choices=list(cases), default=list(cases))
    parser.add_argument("--rows", type=int, help="judge with so many rows, and train with so many where the case says how many")
    parser.add_argument("--one", nargs=3, metavar=("CONTENDER", "CASE", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rows:
        cases = {name: {**case, **dict.fromkeys({"num_rows"} & set(case) | {"num_test"}, given.rows)} for name, case in cases.items()}
    if given.one:
        contender, case, seed = given.one
        print(json.dumps(contenders[contender](**cases[case], seed=int(seed)) | {"peak_mb": peak()}))
        return
    for case in given.cases:
        print(f"\n{case}: {', '.join(f'{name} {value}' for name, value in cases[case].items())}")
        found: dict[str, list[Result]] = {name: [] for name in contenders}
        for seed in range(given.rounds):
            for name in list(contenders) if seed % 2 == 0 else list(contenders)[::-1]:
                found[name].append(apart(name, case, seed, given.rows))
                print(
                    f"  seed {seed}  {name:16} " + "  ".join(f"{key} {shown(value)}" for key, value in found[name][-1].items()), flush=True
                )
        summary(found)


def apart(contender: str, case: str, seed: int, num_rows: int | None) -> Result:
    """One run in a new process."""
    command = [sys.executable, sys.argv[0], *(["--rows", str(num_rows)] if num_rows else []), "--one", contender, case, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{contender} failed on {case}:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def forked(run: Callable[[], Result]) -> Result:
    """One run in a copy of this process, which has done its imports but computed nothing: threads do not survive the copy."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writer, "w") as out, contextlib.redirect_stdout(sys.stderr):
                out.write(json.dumps(run()))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    if os.waitpid(child, 0)[1]:
        sys.exit("A run failed: see above.")
    return dict(json.loads(text))


def summary(found: Mapping[str, Sequence[Result]]) -> None:
    """Means of the scores, and how many times the time of the first contender each other one takes."""
    ours = next(iter(found.values()))
    for name, results in found.items():
        ratios = [theirs["seconds"] / mine["seconds"] for mine, theirs in zip(ours, results, strict=True)]
        score = statistics.mean(result["score"] for result in results)
        seconds, memory = (statistics.median(result[key] for result in results) for key in ("seconds", "peak_mb"))
        alike = sum(mine.get("digest") == theirs.get("digest") for mine, theirs in zip(ours, results, strict=True))
        same = f", the same outputs in {alike} of {len(results)}" if "digest" in ours[0] else ""
        times = f"{statistics.median(ratios):.2f} times the time of the first ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"  {name:16} mean score {score:.4f}, median {seconds:.1f} s, {memory:,.0f} MB, {times}{same}")


def half() -> bool:
    """Whether the best settings of a peer compute in bfloat16 here: a processor without it takes a hundred times as long so."""
    import torch

    from tunesmith.engine.precision import has_bfloat16

    return has_bfloat16(torch.device("cpu"))


def peak() -> float:
    """The most memory that this process held, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def shown(value: Any) -> str:
    """A number in as many digits as are worth reading."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
