"""What a model said of an evaluation set after an epoch: `cells/ID/predictions/epoch_0003.npz`.

Room: store. numpy loads on use; nothing in a file is unpickled.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

from freelb_tune.errors import DamagedError
from freelb_tune.space.settings.also import TEST
from freelb_tune.store.disk.files import read_file
from freelb_tune.store.disk.inside import refuse_link

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["has_predictions", "predictions_differ", "read_predictions", "kept_test_file"]

_CUT = (OSError, ValueError, LookupError, EOFError, MemoryError, RuntimeError, SyntaxError,
        TokenError, struct.error, zipfile.BadZipFile, zlib.error)  # fmt: skip
"""What numpy and zipfile raise of a file that is cut or changed."""


def read_predictions(
    home: Path, epoch: int, set: str
) -> "tuple[NDArray[np.float32], NDArray[Any]] | None":
    """One evaluation set's predictions out of an epoch's file.

    Args:
        home: the cell's folder.
        epoch: its number.
        set: the evaluation set.

    Returns:
        Logits `(N, C)` and labels `(N,)`, or `(N, C)` with several labels, in the data's order;
        None where they were not kept.

    Raises:
        DamagedError: the file is cut or changed.
        FreeLBTuneError: it is a link, or cannot be read.
    """
    arrays = _arrays(home, epoch, (f"{set}.logits", f"{set}.labels"))
    if not arrays:
        return None
    logits, labels = arrays.values()
    several = logits.shape[1:] > (1,) and labels.shape == logits.shape
    fits = several or labels.shape == logits.shape[:1]
    if logits.ndim != 2 or not fits or logits.dtype.kind != "f":
        shapes = f"logits {logits.shape}, labels {labels.shape}"
        raise DamagedError(f"{_file(home, epoch)}: is damaged ({shapes})")
    return logits, labels


def predictions_differ(one: Path, other: Path, epoch: int) -> bool:
    """Whether two folders of one cell have other predictions after an epoch, where both have some.

    Raises:
        FreeLBTuneError: a file is a link, or cannot be read.
    """
    try:
        ours, theirs = _arrays(one, epoch), _arrays(other, epoch)
    except DamagedError:
        return False  # what is cut tells nothing; the whole one is kept
    if ours is None or theirs is None:
        return False
    for arrays in (ours, theirs):  # data.test is no part of a cell
        for name in [name for name in arrays if name.startswith(f"{TEST}.")]:
            del arrays[name]
    same = ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype
        and ours[name].shape == theirs[name].shape
        and ours[name].tobytes() == theirs[name].tobytes()
        for name in ours
    )
    return not same


def kept_test_file(home: Path, epoch: int) -> str:
    """The fingerprint of the file that an epoch's predictions on `data.test` are of; "" for none.

    Raises:
        DamagedError: the predictions are cut or changed.
        FreeLBTuneError: they are a link, or cannot be read.
    """
    found = _arrays(home, epoch, (f"{TEST}.file",))
    return str(found[f"{TEST}.file"]) if found else ""


def has_predictions(home: Path, epoch: int) -> bool:
    """Whether an epoch's file of predictions is there and whole.

    Raises:
        FreeLBTuneError: it is a link, or cannot be read.
    """
    try:
        return _arrays(home, epoch) is not None
    except DamagedError:
        return False


def _file(home: Path, epoch: int) -> Path:
    return home / "predictions" / f"epoch_{epoch:04d}.npz"


def _arrays(
    home: Path, epoch: int, names: Sequence[str] | None = None
) -> "dict[str, NDArray[Any]] | None":
    """These arrays of an epoch's file, or all; none without the first, None without a file."""
    import numpy as np

    refuse_link(home / "predictions")
    path = _file(home, epoch)
    try:
        raw = read_file(path)
    except FileNotFoundError:
        return None
    try:
        arrays = np.load(io.BytesIO(raw), allow_pickle=False)
        names = sorted(arrays) if names is None else names if names[0] in arrays else ()
        return {name: arrays[name] for name in names}
    except _CUT as err:
        raise DamagedError(f"{path}: is damaged ({type(err).__name__}: {err})") from err
