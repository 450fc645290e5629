"""What one trial gets of the machines: CPU cores and GPUs, or an error that says why it cannot.

Room: search, without Ray: machines are mappings such as `{"CPU": 16.0, "GPU": 2.0}`.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.space import ResourcesConfig

__all__ = ["Share", "check_this_machine", "find_share", "may_have_accelerators"]

_DEVICES = ("nvidiactl", "dxg", "kfd", "accel", "neuron0")


@dataclass(frozen=True)
class Share:
    """One trial's part.

    Attributes:
        cpu: CPU cores, and threads.
        gpu: GPUs; a fraction is shared with other trials.
        at_once: how many trials the machines take at the same time.
    """

    cpu: int
    gpu: float
    at_once: int

    @property
    def text(self) -> str:
        """In one line, for the reader."""
        cores = counted(self.cpu, "CPU core")
        if self.gpu:
            parts = f"{counted(self.gpu, 'GPU')} and {cores} per trial"
        else:
            parts = f"{cores} per trial, no GPU"
        return f"{parts}; {counted(self.at_once, 'trial')} at a time"


def find_share(resources: ResourcesConfig, machines: Sequence[Mapping[str, float]]) -> Share:
    """What one trial gets: one GPU where there are GPUs, unless the space says otherwise.

    Args:
        resources: what the space asks for.
        machines: each machine's `CPU` and `GPU`.

    Raises:
        FreeLBTuneError: no machine has as much as one trial asks for.
    """
    cpu = 1 if resources.cpu is None else resources.cpu
    most_gpus = _most("GPU", machines)
    gpu = float(min(most_gpus, 1)) if resources.gpu is None else resources.gpu
    if gpu > 1 and gpu != int(gpu):
        raise FreeLBTuneError(
            f"resources.gpu: {gpu:g} GPUs per trial cannot be had; give a fraction up to 1 "
            "(trials then share a GPU) or a whole number"
        )
    at_once = sum(_fits(machine, cpu, gpu) for machine in machines)
    if at_once < 1:
        raise FreeLBTuneError(_too_much(cpu, gpu, machines))
    return Share(cpu, gpu, min(at_once, resources.max_concurrent or at_once))


def check_this_machine(resources: ResourcesConfig) -> None:
    """Refuse what a Ray started here could not give to any trial; where in doubt, say nothing.

    Ray never counts more cores than Python does, and finds no GPU where there is no device file.
    What is asked for is compared once more with what Ray says that it has.

    Raises:
        FreeLBTuneError: a trial asks for more than this machine has.
    """
    if not (resources.gpu or resources.cpu):
        return  # then a trial takes what there is
    ray = sys.modules.get("ray")  # importing it is for `running_ray` to do
    if ray is not None and ray.is_initialized():
        return  # that one will be used, and it may be a cluster
    if may_have_accelerators() or sys.platform != "linux":  # how many, Ray will say
        resources = resources.model_copy(update={"gpu": 0.0})
    find_share(resources, [{"CPU": float(os.cpu_count() or 1), "GPU": 0.0}])


def may_have_accelerators(devices: Path = Path("/dev")) -> bool:
    """Whether this machine may have GPUs or the like, told in no time and without their drivers."""
    return any((devices / name).exists() for name in _DEVICES)


def _most(kind: str, machines: Sequence[Mapping[str, float]]) -> float:
    """How many one machine has at most."""
    return max((machine.get(kind, 0.0) for machine in machines), default=0.0)


def _fits(machine: Mapping[str, float], cpu: int, gpu: float) -> int:
    """How many trials a machine takes."""
    by_cpu = int(machine.get("CPU", 0.0) // cpu)
    if not gpu:
        return by_cpu
    gpus = machine.get("GPU", 0.0)
    by_gpu = int(gpus // gpu) if gpu >= 1 else int(gpus) * int(1 / gpu + 1e-9)
    return min(by_cpu, by_gpu)


def _too_much(cpu: int, gpu: float, machines: Sequence[Mapping[str, float]]) -> str:
    """Say what was asked, what there is, and what to write instead."""
    most_cpus, most_gpus = _most("CPU", machines), _most("GPU", machines)
    there = f"{counted(most_cpus, 'CPU core')} and {counted(most_gpus, 'GPU')}"
    where = "this machine has" if len(machines) == 1 else "the largest machines have"
    if gpu > most_gpus:
        advice = "leave resources.gpu out to use what there is" + (
            " (the CPU)" if not most_gpus else f", or ask for at most {most_gpus:g}"
        )
        asked = counted(gpu, "GPU")
        return f"resources.gpu: a trial asks for {asked}, and {where} {there}; {advice}"
    return (
        f"resources.cpu: a trial asks for {counted(cpu, 'CPU core')}"
        + (f" beside {counted(gpu, 'GPU')}" if gpu else "")
        + f", and {where} {there}; ask for at most {most_cpus:g}, or leave it out for one"
    )
