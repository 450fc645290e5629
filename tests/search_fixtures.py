"""A stand-in for training: no torch, milliseconds per epoch, and the promises of `run_cell`.

It is a real function that Ray's workers run. What it does is written in the cell's own settings:
`adversary.adv_lr` is the score's base, and a file `ORDERS/CELL` says what is to go wrong.
"""

import faulthandler
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.space import Cell, Plan, Space, load_space, plan_cells
from freelb_tune.store import EpochLog, EpochRecord, TextLengths, read_epochs, tell_again

EPOCHS = 4


@dataclass(frozen=True)
class Ready:
    """What `prepare` makes of a cell.

    Attributes:
        epochs: of the full budget.
        orders: folder of files named after cells, whose text says what goes wrong.
        seconds: how long an epoch takes.
    """

    epochs: int
    orders: Path
    seconds: float = 0.0
    lengths: TextLengths | None = None


@dataclass(frozen=True)
class Prepare:
    """Gives every cell the same few epochs."""

    orders: Path
    epochs: int = EPOCHS
    seconds: float = 0.0

    def __call__(
        self, cells: Sequence[Cell], cache: Path, say: Callable[[str], None], /
    ) -> Mapping[str, Ready]:
        return {cell.id: Ready(self.epochs, self.orders, self.seconds) for cell in cells}


def score_of(cell: Cell, epoch: int) -> float:
    """The cell's score: better with `adv_lr`, with the epoch, and a little with the seed."""
    base = float(str(cell.settings.get("adversary.adv_lr", 0.0)))
    return round(0.5 + base + 0.02 * epoch + 0.001 * cell.seed, 6)


def train(
    cell: Cell,
    ready: Ready,
    folder: Path,
    report: Callable[[EpochRecord], None],
    threads: int,
    /,
) -> None:
    """Write and report epochs as `run_cell` does: checkpoint, model, line, report."""
    log = EpochLog(folder / "epochs.jsonl")
    known = read_epochs(folder / "epochs.jsonl")
    for record in known:
        report(record)
    for epoch in range(len(known) + 1, ready.epochs + 1):
        time.sleep(ready.seconds)
        with (folder / "trained.txt").open("a") as file:  # every epoch that was really trained
            file.write(f"{epoch}\n")
        _obey(ready.orders / cell.id, epoch, folder)
        for name in ("checkpoint", "model"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "checkpoint" / "epoch").write_text(str(epoch))
        (folder / "model" / "config.json").write_text(f'{{"cell": "{cell.id}", "epoch": {epoch}}}')
        record = record_of(cell, epoch, score_of(cell, epoch))
        log.append(record)
        report(record)


def _obey(order: Path, epoch: int, folder: Path) -> None:
    """Do what the cell's order says, at its epoch."""
    if not order.exists():
        return
    what, _, when = order.read_text().partition(" ")
    if int(when) != epoch:
        return
    if what == "fail":
        raise ValueError("the layer is too wide\nsecond line")
    if what == "diverge":
        raise DivergedError(f"epoch {epoch}: the loss is nan")
    if what == "exit":
        sys.exit(3)
    if what == "quit":
        os._exit(3)
    if what == "crash":
        faulthandler._sigsegv()
    if what == "memory":
        bytearray(1 << 62)  # no machine has so much
    if what == "fill":
        with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        (folder / "one_more").write_bytes(bytes(8192))
    if what.endswith("_once"):
        order.unlink()
    if what.startswith("lose"):  # what it had is gone, so the next trial begins again
        (folder / "epochs.jsonl").unlink()
        tell_again(folder, "checkpoint/optimizer.pt is missing")
    if what.startswith(("die", "lose")):
        os.kill(os.getpid(), signal.SIGKILL)
    if what.startswith("hang"):
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread, before it goes on


def record_of(cell: Cell, epoch: int, score: float) -> EpochRecord:
    """A cell's epoch with this score."""
    return EpochRecord(
        cell_id=cell.id,
        epoch=epoch,
        step=10 * epoch,
        score=score,
        metrics={"accuracy": score},
        dev_loss=1.0 - score,
        train_loss=1.0 - score,
        delta_ratio=None,
        delta_norm=None,
        bound_share=None,
        adv_loss_gain=None,
        passes=30 * epoch,
        learning_rate=1e-5,
        micro_batch=8,
        train_seconds=0.0,
        eval_seconds=0.0,
        peak_gib=None,
    )


SPACE = """\
name: standin
task: rte
model: roberta-base
trainer: {{num_train_epochs: {epochs}}}
adversary: {{method: freelb, adv_steps: 2, adv_lr: {{{domain}: {adv_lr}}}}}
clean_arm: {clean_arm}
seeds: {seeds}
search: {search}
resources: {resources}
"""


def make_plan(
    folder: Path,
    *,
    adv_lr: Sequence[float] = (0.03, 0.04, 0.01, 0.02),
    seeds: Sequence[int] = (1,),
    search: str = "{algorithm: grid}",
    resources: str = "{}",
    epochs: int = EPOCHS,
    clean_arm: bool = False,
    domain: str = "grid",
) -> tuple[Space, Plan]:
    """Write a search space into a folder and plan it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "space.yaml"
    path.write_text(
        SPACE.format(
            domain=domain,
            adv_lr=list(adv_lr),
            seeds=list(seeds),
            search=search,
            resources=resources,
            epochs=epochs,
            clean_arm=str(clean_arm).lower(),
        )
    )
    space = load_space(path)
    plan = plan_cells(
        space, data_fingerprint=lambda _: "data", model_fingerprint=lambda _: "weights"
    )
    return space, plan


def ensure_ray() -> None:
    """Have one Ray for all tests of this process that do not ask how Ray starts."""
    import ray

    os.environ["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = "120"  # as a search sets it for its own Ray
    for tries_left in (2, 1, 0):  # Ray waits 30 s for its own node, too short on a busy machine
        if ray.is_initialized():
            return
        try:
            ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        except Exception:
            ray.shutdown()
            if not tries_left:
                raise


def main(
    folder: str, search: str, seconds: str, address: str | None = None, more: str = "{}"
) -> None:
    """Run the stand-in search in a process of its own, for a test to kill or to join a cluster."""
    from freelb_tune.search import SearchOptions, Work, run_search

    base, asked = Path(folder), json.loads(more)
    dashboard, port = asked.pop("dashboard", False), asked.pop("metrics_port", None)
    space, plan = make_plan(base, search=search, **asked)
    work = Work(Prepare(base / "orders", seconds=float(seconds)), train)
    options = SearchOptions(address=address or None, dashboard=dashboard, metrics_port=port)
    try:
        summary = run_search(space, plan, base / "results", options, work=work)
    except KeyboardInterrupt:  # as the command line has it
        sys.exit(130)
    except FreeLBTuneError as err:
        sys.stderr.write(f"freelb-tune: {err}\n")
        sys.exit(err.status)
    sys.exit(130 if summary.interrupted else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
