"""How long the texts of a cell's data are, against the tokens that are kept of each.

Room: store. Numbers in, a sentence out: the log, the plan and the table's footer say the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any, Self

__all__ = ["SetLengths", "TextLengths", "set_lengths"]

_SHARE = 0.95


@dataclass(frozen=True)
class SetLengths:
    """One set's texts; a pair counts as one.

    Attributes:
        texts: how many were looked at.
        cut: how many have more tokens than are kept.
        holds: tokens that would hold 95 % of them whole.
        tokens: that are kept of all of them together; 0 where an earlier version looked.
    """

    texts: int
    cut: int
    holds: int
    tokens: int = field(default=0, compare=False)


def set_lengths(tokens: Sequence[int], max_length: int) -> SetLengths:
    """What there is to say of a set.

    Args:
        tokens: of each text, whole, with the model's own marks; one or more.
        max_length: tokens that are kept.
    """
    ordered = sorted(tokens)
    holds = ordered[ceil(_SHARE * len(ordered)) - 1]
    cut = sum(n > max_length for n in ordered)
    return SetLengths(len(ordered), cut, holds, sum(min(n, max_length) for n in ordered))


@dataclass(frozen=True)
class TextLengths:
    """All sets of one data under one tokenizer.

    Attributes:
        max_length: tokens that are kept of each text.
        sets: by name, `train` first.
    """

    max_length: int
    sets: Mapping[str, SetLengths]

    @property
    def sentence(self) -> str | None:
        """How many texts are cut; None where none is."""
        cut = {name: each for name, each in self.sets.items() if each.cut}
        if not cut:
            return None
        said = ", ".join(f"{each.cut} of {each.texts} of {name}" for name, each in cut.items())
        holds = max(each.holds for each in self.sets.values())
        return (
            f"Texts cut at {self.max_length} tokens (data.max_length): {said}; "
            f"{holds} would hold 95 % of each set."
        )

    def to_json(self) -> dict[str, Any]:
        """A plain mapping, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` wrote.

        Raises:
            KeyError, TypeError: it did not.
        """
        sets = {str(name): SetLengths(**each) for name, each in content["sets"].items()}
        return cls(int(content["max_length"]), sets)
