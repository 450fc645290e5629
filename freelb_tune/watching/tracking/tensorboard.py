"""TensorBoard: an event file per cell, which is a function of what the store knows of the cell.

Room: watching. The file of a cell with one more epoch begins with the file that it had before. So
what is there is held against what should be: the rest is appended, after a kill too, and a file
that begins otherwise is replaced. No point can stand twice.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from freelb_tune.watching.tracking.run import Run

__all__ = ["TensorBoard", "track"]

_HEAD = 12  # bytes before a record: its length, and that number's checksum


class TensorBoard:
    """One folder per cell, as TensorBoard's runs are; seeds of a configuration are one group.

    Args:
        home: `results/NAME/tracking/tensorboard`.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        home.mkdir(parents=True, exist_ok=True)
        self._folders = {path.name.rpartition("_")[2]: path for path in home.iterdir()}

    def show(self, run: Run) -> None:
        path = self._folder(run) / f"events.out.tfevents.{run.cell.id}"
        have = path.read_bytes() if path.exists() else b""
        began = _began(have)
        wanted = _encoded(run, run.began if began is None else began)
        if wanted.startswith(have):
            with path.open("ab") as file:
                file.write(wanted[len(have) :])
        else:
            draft = path.with_name(".draft")
            draft.write_bytes(wanted)
            os.replace(draft, path)

    def close(self) -> None: ...

    def _folder(self, run: Run) -> Path:
        """The cell's folder, of its name: a larger plan may tell cells apart by more."""
        wanted = self._home / run.name
        have = self._folders.get(run.cell.id)
        if have is not None and have != wanted:
            have.rename(wanted)
        self._folders[run.cell.id] = wanted
        wanted.mkdir(exist_ok=True)
        return wanted


track = TensorBoard


def _began(raw: bytes) -> float | None:
    """The time of an event file's first record; None where it has none."""
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < _HEAD + length or not length:
        return None
    return float(Event.FromString(raw[_HEAD : _HEAD + length]).wall_time)


def _encoded(run: Run, began: float) -> bytes:
    """A run's event file; `began` is the time of its first record."""
    whole = io.BytesIO()
    writer = RecordWriter(whole)
    for event in _events(run, began):
        writer.write(event.SerializeToString(deterministic=True))
    return whole.getvalue()


def _events(run: Run, began: float) -> Iterator[Event]:
    yield Event(wall_time=began, file_version="brain.Event:2")
    settings = {**run.settings, "arm": run.cell.arm, "search": run.search}
    start = summary_v2.hparams_pb(settings, run.configuration, began)
    yield Event(wall_time=began, summary=Summary.FromString(start.SerializeToString()))
    at = began
    for record, seconds in zip(run.epochs, run.elapsed, strict=True):
        at = began + seconds
        values = [Summary.Value(tag=name, simple_value=n) for name, n in record.numbers().items()]
        yield Event(wall_time=at, step=record.epoch, summary=Summary(value=values))
    if not run.state.is_over:
        return
    status = api_pb2.STATUS_FAILURE if run.state.is_broken else api_pb2.STATUS_SUCCESS
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=at)
    content = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    yield Event(wall_time=at, summary=Summary(value=[value]))
    step = len(run.epochs)
    best = [Summary.Value(tag=name, simple_value=n) for name, n in run.summary.items()]
    yield Event(wall_time=at, step=step, summary=Summary(value=best))
    for name in ("verdict", "difference"):
        if text := run.tags[name]:
            said = Summary.FromString(text_pb(name, text).SerializeToString())
            yield Event(wall_time=at, step=step, summary=said)
