"""What a column of a tidy table is: a name, a type, a meaning and where its value comes from.

Room: results. `columns` declares those that there are.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

__all__ = ["Column", "Dtype", "dtype_of", "settled"]

Dtype = Literal["string", "Int64", "float64", "boolean", "object"]
"""By the name that pandas has for it; any value may be missing. "object" is for lists, mappings and
settings that take several kinds of value."""

Row = TypeVar("Row")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column.

    Attributes:
        name: its heading.
        dtype: what its values are.
        meaning: one line for the reader, with the unit.
        value: a row's value; None for none.
    """

    name: str
    dtype: Dtype
    meaning: str
    value: Callable[[Row], object]


def settled(value: object) -> object:
    """A computed number to twelve digits: processors differ in the last ones."""
    return float(f"{value:.12g}") if isinstance(value, float) else value


def dtype_of(values: Iterable[object]) -> Dtype:
    """The type of values that no declaration knows, such as a setting's."""
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {bool}:
        return "boolean"
    if kinds == {str}:
        return "string"
    if kinds == {int}:
        return "Int64"
    return "float64" if kinds and kinds <= {int, float} else "object"
