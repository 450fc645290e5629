"""What a trial says of an epoch: flat metrics for Ray, and a line in its worker's log.

Room: search, without Ray.
"""

import logging
import sys

from freelb_tune.store import EpochRecord

__all__ = ["flat_metrics", "log_epoch"]

_log = logging.getLogger("freelb_tune.trial")


def flat_metrics(record: EpochRecord) -> dict[str, float | int]:
    """An epoch's numbers by name: the task's metrics (`accuracy`) beside the record's own fields.

    What the epoch has no number for (`delta_ratio` without a ball, `peak_gib` on a CPU) is left
    out.
    """
    own = {
        name: value for name, value in record.to_json().items() if isinstance(value, int | float)
    }
    return own | record.metrics


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
