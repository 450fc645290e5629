"""The selected model in `best/`, and what a finished cell leaves behind.

Room: search, without Ray. While a cell runs it keeps `checkpoint/` (to go on from) and `model/`
(its best epoch's weights). Once it is over its weights are kept while they are the selected ones or
may become so: of each configuration that is under way, the best seed's.
"""

import json
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from freelb_tune.adversary import loaded_plugins
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.search.driver.board import Board, Row
from freelb_tune.search.driver.leader import Leader, find_leader, may_lead
from freelb_tune.store import CellState, cell_folder, write_whole

__all__ = ["BestModel", "drop_checkpoint", "start_over"]

_README = """\
# The selected model

Cell `{cell}` (seed {seed}) of the search in `{folder}`: score {score!r} after epoch {epoch},
{rank}
{weights}
Its settings are in `cell.json`. The command that made it:

    {command}

Train this one cell again, with the same numbers on the same hardware:

    freelb-tune rerun {folder_argument} {cell}{plugins}
"""
_FIRST = """\
which is the best of its seeds. Its configuration ranks first in `table.md`: {value!r} is
{what}. Of equals the first in the plan is taken, and clean arms are ranked
only where there is nothing else."""
_NOT_RANKED = """\
the best of the cells that are done. No configuration that `table.md` ranks has all of its seeds
trained to the end, so none is the first there, and this may be a lucky seed."""
_LOADS = """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    model = AutoModelForSequenceClassification.from_pretrained({path!r})
    tokenizer = AutoTokenizer.from_pretrained({path!r})
"""
_GONE = """
Its weights are not here: they were let go of when other cells were ahead of it.
"""


class BestModel:
    """Keeps `best/` the model of the leader, whatever order cells finish in.

    A new leader's folder is completed beside the old one before it takes its place, its files
    second names of those in the cell's folder, so a run that is killed anywhere can put things
    right.

    Args:
        folder: the results folder.
        command: the command line that asked for the search.

    Attributes:
        leader: the cell in `best/`; None before one is done.
    """

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self.leader: Leader | None = None
        self._folder = folder
        self._command = shlex.join(command) or f"freelb-tune --space {folder / 'space.yaml'}"
        self._home = folder / "best"
        self._let_go: set[str] = set()

    def settle(self, board: Board, ended: str | None = None) -> None:
        """Publish the leader, and drop the weights of cells that are over and cannot lead.

        Args:
            board: states and scores.
            ended: the cell that has just ended, maybe not for the first time.

        Raises:
            FreeLBTuneError: the disk refuses.
        """
        self._let_go.discard(ended or "")
        try:
            self.leader = find_leader(board, self._has_weights)
            kept = may_lead(board)
            if self.leader is not None:
                self._publish(self.leader, board)
                kept.add(self.leader.row.cell.id)
            for row in board.rows.values():
                self._let_go_of(row, is_kept=row.cell.id in kept)
        except OSError as err:
            raise FreeLBTuneError(
                f"{self._home}: the selected model cannot be put here ({err.strerror or err}); "
                "make room or change permissions, and run the same command again"
            ) from err

    def _let_go_of(self, row: Row, *, is_kept: bool) -> None:
        """Delete a cell's weights unless it runs, may lead, or could go on from a checkpoint."""
        cell_id = row.cell.id
        if row.state.is_over and not is_kept and cell_id not in self._let_go:
            home = cell_folder(self._folder, cell_id)
            if not (row.state is CellState.FAILED and (home / "checkpoint").exists()):
                shutil.rmtree(home / "model", ignore_errors=True)
                self._let_go.add(cell_id)

    def _has_weights(self, cell_id: str) -> bool:
        model = cell_folder(self._folder, cell_id) / "model"
        return model.is_dir() or (self._published() == cell_id and self._is_whole())

    def _published(self) -> str | None:
        """Id of the cell in `best/`; None where there is none."""
        try:
            content = json.loads((self._home / "cell.json").read_text())
        except (OSError, ValueError, RecursionError):
            return None
        return str(content.get("id")) if isinstance(content, dict) else None

    def _is_whole(self) -> bool:
        """Whether there is a model in `best/`."""
        return (self._home / "config.json").exists()

    def _publish(self, leader: Leader, board: Board) -> None:
        """Make `best/` the leader's, complete or not at all."""
        cell = leader.row.cell
        model = cell_folder(self._folder, cell.id) / "model"
        if self._published() == cell.id and (self._is_whole() or not model.is_dir()):
            readme = self._readme(leader, board, has_weights=self._is_whole())
            if not _says(self._home / "README.md", readme):
                write_whole(self._home / "README.md", readme)
            return
        draft, old = self._folder / ".best.new", self._folder / ".best.old"
        for rest in (draft, old):
            shutil.rmtree(rest, ignore_errors=True)
        if model.is_dir():
            shutil.copytree(model, draft, copy_function=_link)
        else:
            draft.mkdir()
        readme = self._readme(leader, board, has_weights=model.is_dir())
        write_whole(draft / "README.md", readme)
        write_whole(draft / "cell.json", json.dumps(cell.to_json(), indent=2) + "\n")
        if self._home.exists():
            self._home.rename(old)
        draft.rename(self._home)
        shutil.rmtree(old, ignore_errors=True)

    def _readme(self, leader: Leader, board: Board, *, has_weights: bool) -> str:
        """What `best/README.md` says."""
        best = leader.row.best_epoch(board.sign)
        assert best is not None  # a leader has scores
        which = "best" if board.select == "best_epoch" else "last"
        what = f"its score at the {which} epoch"
        if leader.seeds > 1:
            what = f"the mean over its {leader.seeds} seeds, each at its {which} epoch"
        rank = _NOT_RANKED
        if leader.mean is not None:
            rank = _FIRST.format(value=round(leader.mean, 6), what=what)
        plugins = loaded_plugins() if leader.row.cell.plugin else ()
        return _README.format(
            cell=leader.row.cell.id,
            seed=leader.row.cell.seed,
            folder=self._folder,
            score=best[1],
            epoch=best[0],
            rank=rank,
            weights=_LOADS.format(path=str(self._home)) if has_weights else _GONE,
            command=self._command,
            folder_argument=shlex.quote(str(self._folder)),
            plugins="".join(
                f" --plugin {shlex.quote(name)}" for name in plugins if isinstance(name, str)
            ),
        )


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


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
