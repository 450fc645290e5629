"""What the machine can do at most, and how much of it a piece of code asks for."""

import math
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["executed_flops", "matmul_peak"]


def matmul_peak(width: int, seconds: float = 1.0) -> float:
    """Most floating-point operations per second of a float32 product of a layer's shapes."""
    best = 0.0
    for shape in ((1024, width, 4 * width), (1024, 4 * width, width), (1024, 1024, 1024)):
        a, b = torch.randn(shape[0], shape[1]), torch.randn(shape[1], shape[2])
        out = torch.empty(shape[0], shape[2])
        clock = process_time if torch.get_num_threads() == 1 else perf_counter
        torch.mm(a, b, out=out)
        count, start = 0, clock()
        while clock() - start < seconds:
            for _ in range(8):
                torch.mm(a, b, out=out)
            count += 8
        best = max(best, 2.0 * shape[0] * shape[1] * shape[2] * count / (clock() - start))
    return best


def executed_flops(work: Callable[[], Any]) -> float:
    """Floating-point operations of all matrix products that `work` runs, padding included."""
    aten = torch.ops.aten
    in_place = {aten.addmm_: _product, aten.baddbmm_: _product}  # torch counts neither
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        work()
    return float(counter.get_total_flops())


def _product(into: Any, left: Any, right: Any, *_: Any, **__: Any) -> int:
    """Operations of `into += left @ right`, from the shapes; a batch in front counts."""
    return 2 * math.prod(left) * right[-1]
