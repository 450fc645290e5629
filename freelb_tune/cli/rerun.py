"""`freelb-tune rerun`: one cell again, here and without Ray.

Room: cli.
"""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freelb_tune.cli.options import Folder, Plugins
from freelb_tune.errors import FreeLBTuneError

if TYPE_CHECKING:
    from freelb_tune.space import Cell
    from freelb_tune.store import CellResult, EpochRecord

__all__ = ["rerun"]


def rerun(
    folder: Folder,
    cell: Annotated[str, typer.Argument(help="A cell's id, or the first digits of it.")],
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    plugin: Plugins = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let the model's own Python run.")
    ] = False,
) -> None:
    """Train one cell again here, without Ray, and compare its numbers with the stored ones."""
    from freelb_tune.api.spaces import load_adversaries
    from freelb_tune.training import prepare, run_cell

    load_adversaries(plugin or ())
    found = _find(folder, cell)
    if found.cell.model.trust_remote_code and not trust_remote_code:
        raise FreeLBTuneError(
            f"cell {found.cell.id}: its model {found.cell.model.name!r} runs Python of its own, "
            "and a results folder may come from somebody else; add --trust-remote-code if you "
            "trust both"
        )
    known = {record.epoch: record for record in found.epochs}
    differ = False

    def tell(record: "EpochRecord") -> None:
        nonlocal differ
        old = known.get(record.epoch)
        same = old is not None and (old.score, old.dev_loss) == (record.score, record.dev_loss)
        differ |= old is not None and not same
        word = "not stored" if old is None else "as stored" if same else f"stored {old.score}"
        print(f"epoch {record.epoch}: {record.score} ({word})")

    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch, "cache")
        if os.access(folder.parent, os.W_OK) and _has_its_data(found.cell):
            cache = folder.parent / ".cache"  # kept under the data's name, so only for that data
        ready = prepare([found.cell], cache)[found.cell.id]
        run_cell(found.cell, ready, Path(scratch, "cell"), tell, threads)
    if differ:
        raise typer.Exit(1)


def _has_its_data(cell: "Cell") -> bool:
    """Whether the cell's settings still lead to the data that it was planned with."""
    from freelb_tune.tasks import data_fingerprint

    return data_fingerprint(cell.inputs) == cell.data_fingerprint


def _find(folder: Path, cell: str) -> "CellResult":
    """The one cell of a search whose id begins so."""
    from freelb_tune.store import load_store

    known = load_store(folder).known
    found = [result for cell_id, result in known.items() if cell_id.startswith(cell)]
    if len(found) != 1:
        raise FreeLBTuneError(
            f"{len(found)} cells of {folder} begin with {cell!r}; ids are in trials.csv"
        )
    return found[0]
