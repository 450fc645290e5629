"""Training one stored cell again, here and without Ray.

Room: api. Torch loads when it trains.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freelb_tune.api.remote import looked_in
from freelb_tune.api.spaces import load_adversaries
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space import Cell
from freelb_tune.store import CellResult, EpochRecord, load_store
from freelb_tune.store.disk.faults import machine_faults_told

__all__ = ["Again", "rerun"]


@dataclass(frozen=True)
class Again:
    """An epoch that was trained again.

    Attributes:
        record: what it gave now.
        stored: what it gave before; None where that is not stored.
    """

    record: EpochRecord
    stored: EpochRecord | None

    @property
    def differs(self) -> bool:
        """Whether the stored one has another score or loss."""
        now, then = self.record, self.stored
        return then is not None and (then.score, then.dev_loss) != (now.score, now.dev_loss)


def rerun(
    folder: str | Path,
    cell: str,
    told: Callable[[Again], None],
    *,
    threads: int = 1,
    plugins: Sequence[str] = (),
    trust_remote_code: bool = False,
) -> bool:
    """Train one cell again here, without Ray, and compare its numbers with the stored ones.

    Args:
        folder: `results/NAME`, or its URI.
        cell: the cell's id, or the first digits of it.
        told: is given each epoch as it ends.
        threads: CPU threads.
        plugins: as for `load_space`.
        trust_remote_code: let the model's own Python run. A cell's own setting does not count here,
            as the folder may come from somebody else.

    Returns:
        Whether every epoch that is stored came out the same.

    Raises:
        FreeLBTuneError: there is no such cell, its model runs Python of its own, or it cannot be
            trained here (a full disk, say).
    """
    from freelb_tune.training import prepare, run_cell

    load_adversaries(plugins)
    folder = looked_in(folder)
    found = _find(folder, cell)
    if found.cell.model.trust_remote_code and not trust_remote_code:
        raise FreeLBTuneError(
            f"cell {found.cell.id}: its model {found.cell.model.name!r} runs Python of its own, "
            "and a results folder may come from somebody else; add --trust-remote-code if you "
            "trust both"
        )
    known = {record.epoch: record for record in found.epochs}
    epochs: list[Again] = []

    def compare(record: EpochRecord) -> None:
        epochs.append(Again(record, known.get(record.epoch)))
        told(epochs[-1])

    told_of = Path(tempfile.gettempdir())
    with machine_faults_told(told_of), tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch, "cache")
        if os.access(folder.parent, os.W_OK) and _has_its_data(found.cell):
            cache = folder.parent / ".cache"  # kept under the data's name, so only for that data
        ready = prepare([found.cell], cache)[found.cell.id]
        run_cell(found.cell, ready, Path(scratch, "cell"), compare, threads)
    return not any(each.differs for each in epochs)


def _has_its_data(cell: Cell) -> bool:
    """Whether the cell's settings still lead to the data that it was planned with."""
    from freelb_tune.tasks import data_fingerprint

    return data_fingerprint(cell.inputs) == cell.data_fingerprint


def _find(folder: Path, cell: str) -> CellResult:
    """The one cell of a search whose id begins so."""
    known = load_store(folder).known
    found = [result for cell_id, result in known.items() if cell_id.startswith(cell)]
    if len(found) != 1:
        raise FreeLBTuneError(
            f"{len(found)} cells of {folder} begin with {cell!r}; ids are in trials.csv"
        )
    return found[0]
