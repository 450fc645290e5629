"""That a value may not stand at a setting, in words: what was expected, what was found, what to do.

Room: space.
"""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from freelb_tune.space.checking.meant import grid_meant, value_advice
from freelb_tune.space.problems import shown
from freelb_tune.space.values import Value

__all__ = ["Refusal", "clause", "read_as"]

_KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "list_type": "a list",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "string_pattern_mismatch": "an id of 12 digits, 0 to 9 and a to f",
}
_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


class Refusal(ValueError):
    """A value may not stand at a setting; the message says what was expected and found.

    Attributes:
        grid: what several numbers in place of one were meant for, where a setting may be searched.
    """

    def __init__(self, message: str, grid: str = "") -> None:
        super().__init__(message)
        self.grid = grid


def read_as(adapter: TypeAdapter[Any], value: Any) -> Value:
    """A value as its type keeps it.

    Raises:
        Refusal: it is of another type, or out of its bounds.
    """
    try:
        found: Value = adapter.validate_python(value)
        return found
    except ValidationError as err:
        expected = " or ".join(dict.fromkeys(clause(e) for e in _told(err.errors())))
        # what looks inside the value says itself what it found there
        got = "" if ", got " in expected else f", got {shown(value)}"
        grid = grid_meant(value) if "number" in expected else ""
        raise Refusal(f"expected {expected}{got}{_trap(value, expected)}", grid) from err


def _told(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without pydantic's remark, on each setting that may be null, that this is not null."""
    return [each for each in errors if each["type"] != "none_required"] or errors


def clause(error: ErrorDetails) -> str:
    """What was expected, in words."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    if kind == "literal_error":
        return str(limits["expected"])
    for name, words in _BOUNDS.items():
        if name in limits:
            return f"{words} {limits[name]}"
    return error["msg"].removeprefix("Value error, ")


def _trap(value: Any, expected: str) -> str:
    """What to write where something was taken for something else."""
    said = value.lower() if isinstance(value, str) else ""
    if "true or false" in expected and said in ("yes", "no", "on", "off", "y", "n"):
        return f"; {value!r} is text in YAML 1.2: write true or false"
    return value_advice(value, expected)
