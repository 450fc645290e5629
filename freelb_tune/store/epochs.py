"""The log of a cell's epochs: `cells/ID/epochs.jsonl`, written by the trial alone.

Room: store. The order in training is checkpoint, predictions, this line, report: an epoch whose
line is here can be gone on from.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.store.disk import append_lines, make_folder, read_lines
from freelb_tune.store.records import EpochRecord

__all__ = ["EPOCHS", "EpochLog", "read_epochs"]

EPOCHS = "epochs.jsonl"


@dataclass(frozen=True)
class EpochLog:
    """Appends a cell's epochs to one file.

    Attributes:
        path: the cell's `epochs.jsonl`.
    """

    path: Path

    def append(self, record: EpochRecord) -> None:
        """Write one epoch; it is on disk when this returns.

        Raises:
            DivergedError: one of its numbers is not finite; nothing is written.
            FreeLBTuneError: no permission or no room; what was written before stays.
        """
        line = record.to_json()
        for name, value in {**line, **record.metrics}.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise DivergedError(f"epoch {record.epoch}: {name} is {value}, not a finite number")
        make_folder(self.path.parent)
        append_lines(self.path, [line])


def read_epochs(path: Path) -> list[EpochRecord]:
    """A cell's epochs in the order of writing; of an epoch that stands twice, the first.

    Raises:
        FreeLBTuneError: a line that is not the torn last one is no epoch.
    """
    known: dict[int, EpochRecord] = {}
    for number, entry in enumerate(read_lines(path), start=1):
        try:
            record = EpochRecord.from_json(entry)
        except ValueError as err:
            raise FreeLBTuneError(
                f"{path}, line {number}: expected an epoch's record, and {err}; restore the file "
                "from a copy"
            ) from err
        known.setdefault(record.epoch, record)
    return list(known.values())
