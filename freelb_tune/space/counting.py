"""Numbers of things in sentences: `1 configuration`, `12 configurations`.

Room: space, as every room above it writes such sentences.
"""

__all__ = ["counted"]


def counted(number: float, thing: str) -> str:
    """A number and what it counts, in the singular where it is 1: `1 GPU`, `0.5 GPUs`."""
    shown = f"{number:g}" if isinstance(number, float) else str(number)
    return f"{shown} {thing}{'s' * (number != 1)}"
