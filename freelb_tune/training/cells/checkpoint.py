"""A cell's last checkpoint: replaced as a whole, so that a kill at any moment leaves a good one.

Room: training. Weights are safetensors; optimizer and generators load with `weights_only`.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from freelb_tune.space.cells.cell import Cell
from freelb_tune.store import EPOCHS, EpochRecord, seal_checkpoint
from freelb_tune.store.cells.checkpoints import RECORD
from freelb_tune.store.disk.files import insist
from freelb_tune.training.cells.new_settings import write_settings

if TYPE_CHECKING:
    from freelb_tune.training.trainer import AdversarialTrainer

__all__ = ["replace_folder", "save_checkpoint"]


def save_checkpoint(
    trainer: "AdversarialTrainer", folder: Path, cell: Cell, record: EpochRecord
) -> None:
    """Write everything that the next epoch needs, with the record of this one."""
    fresh = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    trainer.save_model(str(fresh))
    (fresh / "training_args.bin").unlink(missing_ok=True)  # a pickle that nobody reads
    trainer._save_optimizer_and_scheduler(str(fresh))
    trainer._save_scaler(str(fresh))
    trainer._save_rng_state(str(fresh))
    trainer.state.save_to_json(str(fresh / "trainer_state.json"))
    write_settings(fresh, cell)
    (fresh / RECORD).write_text(json.dumps(record.to_json(), allow_nan=False), "utf-8")
    seal_checkpoint(fresh, folder.parent / EPOCHS)
    replace_folder(fresh, folder)


def replace_folder(fresh: Path, folder: Path) -> None:
    """Put a finished folder in an older one's place; `FOLDER.old` is good while neither is there.

    Files reach the disk before the names change, and have the mode that the umask says: some
    libraries write theirs for their owner alone.
    """
    told = fresh / ".mode"
    told.touch()
    mode = told.stat().st_mode & 0o777
    told.unlink()
    for path in fresh.rglob("*"):
        if path.is_file():
            path.chmod(mode)
    for path in [*fresh.rglob("*"), fresh]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    old = folder.with_name(f"{folder.name}.old")
    if folder.exists():
        _clear(old)
        insist(lambda: folder.rename(old))
    insist(lambda: fresh.rename(folder))
    shutil.rmtree(old, ignore_errors=True)


def _clear(old: Path) -> None:
    """Have no such folder; what a network file system keeps of it, as it is open, moves away."""
    shutil.rmtree(old, ignore_errors=True)
    if old.exists():
        kept = Path(tempfile.mkdtemp(prefix=f"{old.name}.", dir=old.parent))
        insist(lambda: old.rename(kept))
        shutil.rmtree(kept, ignore_errors=True)
