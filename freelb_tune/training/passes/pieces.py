"""How a mini-batch is cut into micro-batches so that little work is done on padding.

Room: training. Plain numbers in and out.
"""

from collections.abc import Sequence

__all__ = ["cut_by_length"]

PASS_TOKENS = 40
"""What one more micro-batch costs in a pass, in tokens' worth of work (MiniLM, one CPU core)."""


def cut_by_length(
    lengths: Sequence[int], largest: int | None = None, overhead: float = PASS_TOKENS
) -> list[list[int]]:
    """Cut a mini-batch into micro-batches of similar length.

    The cut minimises (examples x longest) summed over the pieces plus `overhead` per piece, over
    all cuts of the examples sorted by length. Every cut gives the same mini-batch gradient, as a
    perturbation belongs to its example.

    Args:
        lengths: tokens of each example.
        largest: most examples in one piece; None for no limit.
        overhead: cost of a piece, in tokens; infinity keeps the mini-batch whole, in its order.

    Returns:
        Row numbers of each piece, shortest examples first.
    """
    n = len(lengths)
    limit = min(n, largest or n)
    if overhead == float("inf"):
        return [list(range(start, min(start + limit, n))) for start in range(0, n, limit)]
    order = sorted(range(n), key=lambda row: lengths[row])
    best = [0.0] + [float("inf")] * n  # best[i]: cheapest cut of the i shortest examples
    start_of = [0] * (n + 1)
    for end in range(1, n + 1):
        longest = lengths[order[end - 1]]
        for start in range(max(0, end - limit), end):
            cost = best[start] + (end - start) * longest + overhead
            if cost < best[end]:
                best[end], start_of[end] = cost, start
    pieces: list[list[int]] = []
    end = n
    while end:
        pieces.append(order[start_of[end] : end])
        end = start_of[end]
    return pieces[::-1]
