"""What a launcher has told this process by its environment, hidden from training.

Room: training. A cell is trained by one process alone, whoever has started it: under torchrun,
accelerate, DeepSpeed, SLURM or MPI it has the numbers that it has anywhere, and waits for nobody.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_launcher"]

_TOLD = re.compile(
    r"(LOCAL_|GROUP_|ROLE_|NODE_)?RANK|(LOCAL_|GROUP_|ROLE_)?WORLD_SIZE|ROLE_NAME|MASTER_(ADDR|PORT)"
    r"|NPROC|NNODES|FORK_LAUNCHED|(ACCELERATE|PARALLELISM_CONFIG|FSDP|DEEPSPEED|TORCHELASTIC|SLURM"
    r"|OMPI|PMI|PMIX|MPI|MPIRUN|I_MPI|MV2|SM|SMDATAPARALLEL)_\w+"
)
"""Variables that `accelerate`, `transformers` and `torch.distributed` read as orders."""


@contextmanager
def no_launcher() -> Iterator[None]:
    """Hide a launcher's variables inside; afterwards they are as they were.

    `TrainingArguments` writes some of them too, for its own trainer. Those do not outlive it here.
    """
    before = _told()
    _forget()
    try:
        yield
    finally:
        _forget()
        os.environ.update(before)


def _told() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _TOLD.fullmatch(name)}


def _forget() -> None:
    for name in _told():
        del os.environ[name]
