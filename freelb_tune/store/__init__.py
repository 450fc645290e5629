"""What is known so far: the journal of a search, the logs of its cells, and reading them back.

Room: store. Every file has one writer: the driver appends to `journal.jsonl`, a trial to its own
`cells/ID/epochs.jsonl`. Tables and resuming read these alone; no Ray, no torch.
"""

from freelb_tune.store.cells.checkpoints import (
    damage_of,
    find_checkpoint,
    forget_again,
    read_again,
    seal_checkpoint,
    tell_again,
)
from freelb_tune.store.cells.epochs import (
    EPOCHS,
    EpochLog,
    read_epochs,
    seal_of,
    set_log_aside,
)
from freelb_tune.store.cells.lengths import TextLengths, set_lengths
from freelb_tune.store.cells.records import Answered, CellState, End, EpochRecord
from freelb_tune.store.disk.files import write_whole
from freelb_tune.store.folders.environment import (
    describe_environment,
    read_environment,
    write_environment,
)
from freelb_tune.store.folders.folder import check_results, held_cell, set_aside, take_results
from freelb_tune.store.journal.formats import FORMAT
from freelb_tune.store.journal.journal import Journal, is_held, read_journal, utc_now
from freelb_tune.store.known import Better, CellResult, Store, cell_folder, load_store
from freelb_tune.store.looks import cells_left, look_number, new_look
from freelb_tune.store.matching import match_sentence

__all__ = [
    "EPOCHS",
    "FORMAT",
    "Answered",
    "Better",
    "CellResult",
    "CellState",
    "End",
    "EpochLog",
    "EpochRecord",
    "Journal",
    "Store",
    "TextLengths",
    "cell_folder",
    "cells_left",
    "check_results",
    "damage_of",
    "held_cell",
    "describe_environment",
    "find_checkpoint",
    "forget_again",
    "is_held",
    "load_store",
    "look_number",
    "match_sentence",
    "new_look",
    "take_results",
    "tell_again",
    "read_again",
    "read_environment",
    "read_epochs",
    "read_journal",
    "seal_checkpoint",
    "seal_of",
    "set_aside",
    "set_log_aside",
    "set_lengths",
    "utc_now",
    "write_environment",
    "write_whole",
]
