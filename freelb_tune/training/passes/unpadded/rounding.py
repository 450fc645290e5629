"""Sizes rounded up, so that batches of nearly the same size are of the same.

Room: training. Plain numbers in and out.
"""

__all__ = ["step_of", "up_to"]


def step_of(count: int, least: int) -> int:
    """A sixteenth of the power of two below a number, and `least` at least."""
    return max(least, 1 << max(0, count.bit_length() - 5))


def up_to(count: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-count // step) * step
