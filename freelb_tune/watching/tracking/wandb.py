"""Weights & Biases: a project per search, a run per cell; offline unless WANDB_MODE says otherwise.

Room: watching. What W&B keeps of an offline run cannot be gone on with. So a run is written in a
scratch folder (where W&B leaves links and logs, too), its file is moved when it is closed, and one
beside it says of what it is complete; any other is written again. Online, W&B goes on with a run by
its id and says which step it has.
"""

import os
from pathlib import Path
from shutil import move, rmtree
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it reads this as it is imported

import wandb

from freelb_tune.space.values import digest
from freelb_tune.watching.tracking.run import Run

__all__ = ["WeightsAndBiases", "track"]

_SHOWN = "shown"  # the file beside a complete run
_MOST_OPEN = 64  # runs that stay open, as the verdict still comes


class WeightsAndBiases:
    """A run per cell; the seeds of a configuration are one group.

    Args:
        home: `results/NAME/tracking/wandb`.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.absolute()
        self._home.mkdir(parents=True, exist_ok=True)
        self._scratch = TemporaryDirectory(prefix="freelb-tune-wandb-", ignore_cleanup_errors=True)
        self._open: dict[str, tuple[Any, Run]] = {}

    def show(self, run: Run) -> None:
        opened, before = self._open.pop(run.cell.id, (None, None))
        if opened is None:
            shown = self._folder(run.cell.id) / _SHOWN
            if shown.exists() and shown.read_text("utf-8") == _content(run):
                return
            shown.unlink(missing_ok=True)
            opened = self._init(run)
        done = before.epochs[-1].epoch if before and before.epochs else opened.step - 1
        for record in run.epochs:
            if record.epoch > done:
                opened.log(record.numbers(), step=record.epoch)
        opened.summary.update({**run.tags, **run.summary})
        self._open[run.cell.id] = opened, run  # the latest last
        over = [name for name, (_, each) in self._open.items() if each.state.is_over]
        for name in over[: max(len(self._open) - _MOST_OPEN, 0)]:
            self._finish(name)

    def close(self) -> None:
        for name in list(self._open):
            self._finish(name)
        self._scratch.cleanup()

    def _init(self, run: Run) -> Any:
        return wandb.init(
            project=run.search,
            id=run.cell.id,
            name=run.name,
            group=run.configuration,
            job_type=run.cell.arm,
            config=run.settings,
            dir=self._scratch.name,
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(
                mode=None if os.environ.get("WANDB_MODE") else "offline",
                silent=True,
                console="off",
                disable_git=True,
                save_code=False,
                x_disable_meta=True,
                x_disable_stats=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
            ),
        )

    def _finish(self, cell_id: str) -> None:
        opened, run = self._open.pop(cell_id)
        file, is_offline = Path(opened.settings.sync_file), opened.settings._offline
        opened.finish()
        folder = self._folder(cell_id)
        if folder.exists():
            rmtree(folder)  # with W&B's note that it was sent: it is another one now
        folder.mkdir()
        if is_offline:
            move(file, folder / file.name)
        if run.state.is_over:
            (folder / _SHOWN).write_text(_content(run), "utf-8")

    def _folder(self, cell_id: str) -> Path:
        return self._home / f"offline-run-{cell_id}"  # so that `wandb sync` takes it


track = WeightsAndBiases


def _content(run: Run) -> str:
    """A short text that is another one where anything of a run is."""
    epochs = [record.to_json() for record in run.epochs]
    return digest({"name": run.name, "epochs": epochs, "tags": run.tags})
