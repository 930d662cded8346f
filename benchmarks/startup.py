"""How long a command line takes before it does anything: tunesmith beside the programs that do the same work.

    python benchmarks/startup.py [--rounds 7]

Every command runs once in each round, in turn, so that what else the machine does hits all of them alike. The first round warms the
file cache and is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

PYTHON = sys.executable
COMMANDS = {
    "python -c pass": [PYTHON, "-c", "pass"],
    "import tunesmith": [PYTHON, "-c", "import tunesmith"],
    "tunesmith --help": [PYTHON, "-m", "tunesmith", "--help"],
    "tunesmith train --help": [PYTHON, "-m", "tunesmith", "train", "--help"],
    "import torch": [PYTHON, "-c", "import torch"],
    "import transformers, peft": [PYTHON, "-c", "import transformers, peft"],
    "import Trainer, get_peft_model": [PYTHON, "-c", "from transformers import Trainer; from peft import get_peft_model"],
    "accelerate launch --help": [PYTHON, "-m", "accelerate.commands.launch", "--help"],
    "transformers --help": [PYTHON, "-m", "transformers.cli.transformers", "--help"],
}


def seconds(command: list[str]) -> float:
    """The wall-clock time of one run, in a new process that finds its modules compiled."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    took = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return took


def main(rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, command in COMMANDS.items():
            took = seconds(command)
            times[name] += [took] if turn else []
    print(f"seconds, {rounds} alternating rounds, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| command | median | least | most |\n| --- | --- | --- | --- |")
    for name, taken in times.items():
        print(f"| `{name}` | {statistics.median(taken):.2f} | {min(taken):.2f} | {max(taken):.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often each command runs")
    main(parser.parse_args().rounds)
