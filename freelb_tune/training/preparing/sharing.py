"""Whether several trials of a small model share a GPU: measured, as docs/gpu.md tells.

Room: training.
"""

from collections.abc import Sequence

from freelb_tune.space.cells.cell import Cell
from freelb_tune.training.inputs.positions import bare_model
from freelb_tune.training.inputs.source import find_model

__all__ = ["sharing_note"]

_SMALL = 40_000_000
"""Weights below which a model is taken for one of MiniLM's size (23 million)."""


def sharing_note(cells: Sequence[Cell], gpu: float | None) -> str:
    """What sharing a GPU gave a model as small as all of these; empty where nothing is to be said.

    Args:
        cells: what is to be run.
        gpu: GPUs per trial, as asked for; None for one where there is one.
    """
    if len(cells) < 2 or not _is_whole(gpu):
        return ""
    sizes = [_weights(cell) for cell in {cell.weights: cell for cell in cells}.values()]
    if not sizes or not all(size is not None and size < _SMALL for size in sizes):
        return ""
    return (
        "A model this small does not fill a GPU: two trainings of MiniLM's size on one H200 made "
        "1.29 times the updates of one, four 1.40 times; resources: {gpu: 0.25} puts four trials "
        "on one."
    )


def _is_whole(gpu: float | None) -> bool:
    if gpu is not None:
        return gpu == 1
    import torch

    return torch.cuda.is_available()


def _weights(cell: Cell) -> int | None:
    source = find_model(cell.model)
    model = None if source is None else bare_model(source)
    return None if model is None else sum(weight.numel() for weight in model.parameters())
