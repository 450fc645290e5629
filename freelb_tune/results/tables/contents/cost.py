"""What a configuration has cost: passes, device-hours and memory, beside what it has brought.

Room: results. Passes are the same in every run of the same cells; times are not, and so nothing of
this is shown unless the space asks for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from freelb_tune.store import CellResult, CellState, EpochRecord, Store

__all__ = ["Cost", "Costs", "costs_of", "device_hours", "device_of"]

_SECONDS = 3600.0


@dataclass(frozen=True)
class Cost:
    """One configuration's cost of a cell, over its finished seeds.

    Attributes:
        passes: forward and backward passes of mini-batches, mean.
        device_hours: hours of training and evaluation times the devices of a trial, mean.
        peak_gib: most memory that a cell held, in GiB, largest: of the device, on a CPU of the
            process; None where neither is known.
    """

    passes: float
    device_hours: float
    peak_gib: float | None


@dataclass(frozen=True)
class Costs:
    """What each configuration has cost.

    Attributes:
        device: "GPU" or "CPU", whose hours are counted; "device" where cells ran on both.
        by_config: by `config_id`; none for a configuration without a finished seed.
    """

    device: str
    by_config: Mapping[str, Cost]


def costs_of(store: Store) -> Costs:
    """Add up the finished cells of the latest plan.

    A trial holds as many devices as the space's `resources` give it, one if they do not say.
    """
    resources: Mapping[str, Any] = store.space.get("resources") or {}
    groups: dict[str, list[CellResult]] = {}
    for each in store.cells:
        if each.state is CellState.DONE:
            groups.setdefault(each.cell.config_id, []).append(each)
    return Costs(
        device=device_of(store),
        by_config={name: _cost(group, resources) for name, group in groups.items()},
    )


def device_of(store: Store) -> str:
    """What the finished cells ran on: "GPU" or "CPU"; "device" where some ran on either."""
    devices = {_device(each.epochs) for each in store.cells if each.state is CellState.DONE}
    return devices.pop() if len(devices) == 1 else "device"


def device_hours(
    epochs: Sequence[EpochRecord], resources: Mapping[str, Any], seconds: float | None = None
) -> float:
    """Hours of a cell's training and evaluation times the devices of a trial.

    Args:
        epochs: the cell's.
        resources: the space's, by name; a trial holds one device where they do not say.
        seconds: of all the epochs, where they have been added up.
    """
    if seconds is None:
        seconds = sum(record.train_seconds + record.eval_seconds for record in epochs)
    return seconds * float(resources.get(_device(epochs).lower()) or 1) / _SECONDS


def _device(epochs: Sequence[EpochRecord]) -> str:
    """What a cell ran on: device memory is measured on GPUs alone."""
    return "CPU" if all(record.peak_gib is None for record in epochs) else "GPU"


def _cost(group: Sequence[CellResult], resources: Mapping[str, Any]) -> Cost:
    """One configuration's cost out of its finished cells."""
    epochs = [record for each in group for record in each.epochs]
    peaks = [r.peak_gib for r in epochs if r.peak_gib is not None]
    peaks = peaks or [r.process_gib for r in epochs if r.process_gib is not None]
    return Cost(
        passes=fmean(each.epochs[-1].passes for each in group),
        device_hours=fmean(device_hours(each.epochs, resources, each.seconds) for each in group),
        peak_gib=max(peaks, default=None),
    )
