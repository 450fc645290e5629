"""What a model said of an evaluation set after an epoch: `cells/ID/predictions/epoch_0003.npz`.

Room: store. numpy loads on use; nothing in a file is unpickled.
"""

import io
import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

from freelb_tune.errors import DamagedError
from freelb_tune.store.disk import read_file
from freelb_tune.store.inside import refuse_link

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["read_predictions"]

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
    import numpy as np

    refuse_link(home / "predictions")
    path = home / "predictions" / f"epoch_{epoch:04d}.npz"
    try:
        raw = read_file(path)
    except FileNotFoundError:
        return None
    try:
        arrays = np.load(io.BytesIO(raw), allow_pickle=False)
        if f"{set}.logits" not in arrays:
            return None
        logits, labels = arrays[f"{set}.logits"], arrays[f"{set}.labels"]
    except _CUT as err:
        raise DamagedError(f"{path}: is damaged ({type(err).__name__}: {err})") from err
    several = logits.shape[1:] > (1,) and labels.shape == logits.shape
    fits = several or labels.shape == logits.shape[:1]
    if logits.ndim != 2 or not fits or logits.dtype.kind != "f":
        raise DamagedError(f"{path}: is damaged (logits {logits.shape}, labels {labels.shape})")
    return logits, labels
