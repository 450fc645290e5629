"""The selected model in `best/`, and what a finished cell leaves behind.

Room: search, without Ray. While a cell runs it keeps `checkpoint/` (to go on from) and `model/`
(its best epoch's weights). Once it is over only the best cell's weights are worth their room.
"""

import json
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.board import Row
from freelb_tune.store import CellState, cell_folder, write_whole

__all__ = ["BestModel", "drop_checkpoint", "start_over"]

_README = """\
# The selected model

Cell `{cell}` of the search in `{folder}`: score {score!r} after epoch {epoch}, the best
of the finished cells. Of cells with equal scores the first in the plan is taken.
{weights}
Its settings are in `cell.json`. The command that made it:

    {command}

Train this one cell again, with the same numbers on the same hardware:

    freelb-tune rerun {folder_argument} {cell}
"""
_LOADS = """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    model = AutoModelForSequenceClassification.from_pretrained({path!r})
    tokenizer = AutoTokenizer.from_pretrained({path!r})
"""
_GONE = """
Its weights are not here: when this cell finished, another one was better, so they were not kept.
"""


class BestModel:
    """Keeps `best/` the model of the leader, whatever order cells finish in.

    A new leader's folder is completed beside the old one before it takes its place, and its
    weights leave the cell's folder last, so a run that is killed anywhere can put things right.

    Args:
        folder: the results folder.
        command: the command line that asked for the search.
        sign: 1.0 where higher scores are better, -1.0 where lower ones are.
    """

    def __init__(self, folder: Path, command: Sequence[str], sign: float) -> None:
        self._folder = folder
        self._sign = sign
        self._command = shlex.join(command) or f"freelb-tune --space {folder / 'space.yaml'}"
        self._home = folder / "best"

    def settle(self, leader: Row | None, over: Sequence[Row]) -> None:
        """Publish the leader, and drop the weights of the cells that are over and are not it.

        Args:
            leader: the best finished cell; None before one finished.
            over: the cells that are over and were not settled before.

        Raises:
            FreeLBTuneError: the disk refuses.
        """
        try:
            if leader is not None and not self._is_published(leader.cell.id):
                self._publish(leader)
            for row in over:
                home = cell_folder(self._folder, row.cell.id)
                if not (row.state is CellState.FAILED and (home / "checkpoint").exists()):
                    shutil.rmtree(home / "model", ignore_errors=True)
        except OSError as err:
            raise FreeLBTuneError(
                f"{self._home}: the selected model cannot be put here ({err.strerror or err}); "
                "make room or change permissions, and run the same command again"
            ) from err

    def _is_published(self, cell_id: str) -> bool:
        """Whether `best/` holds this cell, with its weights if there are any."""
        try:
            content = json.loads((self._home / "cell.json").read_text())
        except (OSError, ValueError):
            return False
        has_weights = (self._home / "config.json").exists()
        model = cell_folder(self._folder, cell_id) / "model"
        return content.get("id") == cell_id and (has_weights or not model.is_dir())

    def _publish(self, leader: Row) -> None:
        """Make `best/` the leader's, complete or not at all."""
        model = cell_folder(self._folder, leader.cell.id) / "model"
        draft, old = self._folder / ".best.new", self._folder / ".best.old"
        for rest in (draft, old):
            shutil.rmtree(rest, ignore_errors=True)
        if model.is_dir():
            shutil.copytree(model, draft, copy_function=_link)
        else:
            draft.mkdir()
        write_whole(draft / "README.md", self._readme(leader, has_weights=model.is_dir()))
        write_whole(draft / "cell.json", json.dumps(leader.cell.to_json(), indent=2) + "\n")
        if self._home.exists():
            self._home.rename(old)
        draft.rename(self._home)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(model, ignore_errors=True)

    def _readme(self, leader: Row, *, has_weights: bool) -> str:
        """What `best/README.md` says."""
        best = leader.best_epoch(self._sign)
        assert best is not None  # a leader has scores
        path = str(self._home)
        return _README.format(
            cell=leader.cell.id,
            folder=self._folder,
            score=best[1],
            epoch=best[0],
            weights=_LOADS.format(path=path) if has_weights else _GONE,
            command=self._command,
            folder_argument=shlex.quote(str(self._folder)),
        )


def drop_checkpoint(folder: Path, cell_id: str) -> None:
    """Delete what only an unfinished cell needs, and what a kill left half-written."""
    home = cell_folder(folder, cell_id)
    for name in ("checkpoint", "checkpoint.old", "checkpoint.tmp", "model.tmp", "trainer"):
        shutil.rmtree(home / name, ignore_errors=True)
    (home / ".lock").unlink(missing_ok=True)


def start_over(folder: Path, cell_id: str) -> None:
    """Delete what an earlier try of a cell has written, for the cell to begin again."""
    shutil.rmtree(cell_folder(folder, cell_id), ignore_errors=True)


def _link(source: str, target: str) -> str:
    """A second name for the same file, or a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
