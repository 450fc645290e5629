"""One small search for the faults to meet, and what can be read of it from outside."""

import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store import read_journal

SPACE = """\
name: chaos
task: entailment_toy
data: {{source: synthetic, max_length: 32, max_train_examples: {examples}, max_eval_examples: 64}}
model:
  name: config:bert
  config: {{hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32}}
trainer: {{num_train_epochs: 3, per_device_train_batch_size: 16, learning_rate: 2.e-3}}
adversary: {{method: freelb, adv_steps: 2, adv_lr: {{grid: [0.01, 0.03]}}}}
search: {{algorithm: asha, grace_epochs: 1, reduction_factor: 2}}
clean_arm: false
seeds: [1]
resources: {{max_failures: 2, max_concurrent: 1}}
"""
_VOLATILE = ("seconds", "peak_gib")
_TABLES = ("table.md", "table.csv")
_DEADLINE = 240.0  # seconds for anything to happen, on a busy machine


class FaultMissed(Exception):
    """A fault could not be made: the search was over before it, or the machine refused."""


@dataclass
class Search:
    """A search in a folder of its own, as users start it.

    Attributes:
        base: holds `chaos.yaml` and `chaos/`, the results.
        runs: exit statuses of its runs so far.
        said: what the last run printed.
        results: where results go, as the command is told.
    """

    base: Path
    runs: list[int]
    said: str = ""
    results: str = "."

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self.base / "chaos"

    def start(self, **environment: str) -> "subprocess.Popen[bytes]":
        """Start the command; its output goes to a file."""
        words = ["--space", "chaos.yaml", "--results", self.results, "--no-dashboard"]
        command = [sys.executable, "-m", "freelb_tune.cli", *words]
        with (self.base / "said.txt").open("wb") as said:
            return subprocess.Popen(
                command,
                cwd=self.base,
                stdout=said,
                stderr=said,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            )

    def end(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for a run's end; gives its exit status."""
        status = process.wait(timeout=_DEADLINE)
        self.runs.append(status)
        self.said = (self.base / "said.txt").read_text("utf-8", "replace")
        return status

    def run(self) -> int:
        """Start the command and wait for its end; a Ray that a busy machine kept from starting
        is given another try, as its message asks for.
        """
        for _ in range(3):
            status = self.end(self.start())
            if "Ray could not be started" not in self.said:
                break
            self.runs.pop()
        return status

    def events(self) -> list[dict[str, Any]]:
        """What the journal says so far."""
        try:
            return read_journal(self.folder)
        except FreeLBTuneError:
            return []

    def said_in_journal(self, event: str, count: int = 1) -> bool:
        """Whether an event stands there so often."""
        return sum(each["event"] == event for each in self.events()) >= count

    def logs(self) -> list[Path]:
        """The epochs' logs."""
        return sorted((self.folder / "cells").glob("*/epochs.jsonl"))

    def epochs(self) -> int:
        """Lines in all logs."""
        return sum(path.read_bytes().count(b"\n") for path in self.logs())

    def known(self) -> Counter[str]:
        """Whole lines of each cell's log, by the cell's id."""
        return Counter({path.parent.name: path.read_bytes().count(b"\n") for path in self.logs()})

    def left_behind(self) -> int:
        """Folders for Ray's files that its runs have left."""
        name = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:8]
        return len(list(Path("/tmp").glob(f"flt-{name}-*")))

    def wait(self, process: "subprocess.Popen[bytes]", reached: Callable[[], bool]) -> None:
        """Wait until something is true.

        Raises:
            FaultMissed: the run ended before it was, or it took too long.
        """
        deadline = time.monotonic() + _DEADLINE
        while not reached():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise FaultMissed("the moment never came")
            time.sleep(0.01)

    def child(self, process: "subprocess.Popen[bytes]", name: str) -> psutil.Process:
        """One of the processes of a run, by the beginning of its command's last part.

        Raises:
            FaultMissed: there is none.
        """
        for each in psutil.Process(process.pid).children(recursive=True):
            try:
                words = each.cmdline()
            except psutil.Error:
                continue
            if words and (words[0].startswith(name) or Path(words[0]).name == name):
                return each
        process.kill()
        raise FaultMissed(f"no process {name} runs")


def new_search(base: Path, examples: int = 960) -> Search:
    """Write the space into a new folder."""
    base.mkdir(parents=True, exist_ok=True)
    (base / "chaos.yaml").write_text(SPACE.format(examples=examples), "utf-8")
    return Search(base, [])


def decisions(search: Search) -> list[tuple[Any, ...]]:
    """What was decided, in the order of first saying."""
    told = (event for event in search.events() if event["event"] == "decided")
    return list(
        dict.fromkeys((e["config_id"], e["epoch"], e["score"], e["decision"]) for e in told)
    )


def trials(search: Search) -> list[dict[str, str]]:
    """`trials.csv` without what is each run's own."""
    with (search.folder / "trials.csv").open(encoding="utf-8") as file:
        return [
            {k: v for k, v in row.items() if k not in _VOLATILE} for row in csv.DictReader(file)
        ]


@dataclass(frozen=True)
class Compared:
    """A disturbed search beside an undisturbed one.

    Attributes:
        lost: epochs of the undisturbed one that are not in its logs.
        doubled: epochs that stand twice in its logs.
        changed: decisions that differ.
        equal: whether trials.csv (without seconds and memory), table.md and table.csv are the same.
    """

    lost: int
    doubled: int
    changed: int
    equal: bool


def compare(search: Search, whole: Search) -> Compared:
    """Compare what two searches of one space have left."""
    wanted, found = whole.known(), search.known()
    doubled = 0
    for path in search.logs():
        heads = [line.split(b'"step"')[0] for line in path.read_bytes().splitlines()]
        doubled += len(heads) - len(set(heads))
    theirs, ours = decisions(whole), decisions(search)
    same = all(
        (search.folder / name).read_bytes() == (whole.folder / name).read_bytes()
        for name in _TABLES
    )
    return Compared(
        lost=sum((wanted - found).values()),
        doubled=doubled,
        changed=len(set(theirs) ^ set(ours)),
        equal=same and trials(search) == trials(whole),
    )


def send(process: "subprocess.Popen[bytes]", *signals: int) -> None:
    """Send signals one after another."""
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05 if number != signal.SIGKILL else 0)
