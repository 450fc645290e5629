"""What a trial says of an epoch: a line in its worker's log.

Room: search, without Ray.
"""

import logging
import sys

from freelb_tune.store import EpochRecord

__all__ = ["log_epoch"]

_log = logging.getLogger("freelb_tune.trial")


def log_epoch(trial: str, record: EpochRecord, epochs: int) -> None:
    """Leave a line in the log of the process, which is a worker of Ray's.

    Args:
        trial: what it is called.
        record: the epoch.
        epochs: how many there will be.
    """
    if not _log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        _log.addHandler(handler)
        _log.setLevel(logging.INFO)
        _log.propagate = False
    _log.info(
        "%s: epoch %d of %d: %s, dev loss %.4f, train loss %.4f, %.1f s",
        trial,
        record.epoch,
        epochs,
        ", ".join(f"{name} {value:.4f}" for name, value in record.metrics.items()),
        record.dev_loss,
        record.train_loss,
        record.train_seconds + record.eval_seconds,
    )
