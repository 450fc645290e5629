"""Mistakes in a text's characters, as typing and scanning make them: seeded and offline.

Room: tasks. Texts in, texts out. No library that is kept and light has all six kinds.

References:
    Keyboard neighbours and swaps: Belinkov & Bisk, "Synthetic and Natural Noise Both Break Neural
    Machine Translation", ICLR 2018, arXiv:1711.02173. Insertion, deletion and case: Naplava et al.,
    "Understanding Model Robustness to User-generated Noisy Texts", W-NUT 2021, arXiv:2110.07428.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from freelb_tune.space.settings.also import Characters, Kind

__all__ = ["noisy"]

_Item = TypeVar("_Item")

_ROWS = (("1234567890", 0.0), ("qwertyuiop", 0.5), ("asdfghjkl", 0.75), ("zxcvbnm", 1.25))
"""A keyboard's rows, and how far each is moved to the right, in keys."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ALIKE = {
    "0": "oO", "1": "lI", "2": "zZ", "5": "sS", "6": "b", "8": "B", "9": "g", "B": "8", "C": "G",
    "D": "O", "E": "F", "G": "C", "I": "l1", "O": "0Q", "Q": "O", "S": "5", "Z": "2", "a": "o",
    "b": "6h", "c": "e", "e": "c", "f": "t", "g": "9q", "h": "b", "i": "l1", "l": "1I", "n": "u",
    "o": "0", "q": "g", "s": "5", "t": "f", "u": "v", "v": "u", "z": "2",
}  # fmt: skip
_ALIKE_PAIRS = {"m": "rn", "d": "cl", "w": "vv"}


def _neighbours() -> dict[str, str]:
    keys = {
        key: (x + moved, y) for y, (row, moved) in enumerate(_ROWS) for x, key in enumerate(row)
    }
    return {
        key: "".join(
            other
            for other, (right, down) in keys.items()
            if other != key and abs(right - x) <= 1 and abs(down - y) <= 1
        )
        for key, (x, y) in keys.items()
    }


_NEIGHBOURS = _neighbours()


def noisy(texts: Sequence[str], settings: Characters, column: int = 0) -> list[str]:
    """The texts with a share of their letters and digits changed.

    Each text has a stream of its own, by its place: the first texts of a longer list get the same.

    Args:
        texts: the texts.
        settings: how many, which changes, and the seed.
        column: 1 for the second texts of pairs.
    """
    start = f"freelb_tune/characters/{settings.seed}/{column}"
    return [
        _changed(text, settings, Random(f"{start}/{place}")) for place, text in enumerate(texts)
    ]


def _changed(text: str, settings: Characters, rng: Random) -> str:
    """One text; as it was where nothing would be left of it."""
    made: list[str] = []
    place = 0
    while place < len(text):
        here, after = text[place], text[place + 1 : place + 2]
        place += 1
        kinds = _kinds_of(here, after, settings.kinds) if rng.random() < settings.rate else []
        if not kinds:
            made.append(here)
            continue
        kind = _pick(kinds, rng)
        place += kind == "swap"
        made.append(_change(kind, here, after, rng))
    found = "".join(made)
    return found if found.strip() else text


def _kinds_of(here: str, after: str, kinds: Sequence[Kind]) -> list[Kind]:
    """The changes that a character has."""
    if not here.isalnum():
        return []
    has = {
        "insert": True,
        "delete": True,
        "swap": after.isalnum() and after != here,
        "case": len(here.swapcase()) == 1 and here.swapcase() != here,
        "keyboard": here.lower() in _NEIGHBOURS,
        "ocr": here in _ALIKE or here in _ALIKE_PAIRS,
    }
    return [kind for kind in dict.fromkeys(kinds) if has[kind]]


def _change(kind: Kind, here: str, after: str, rng: Random) -> str:
    match kind:
        case "insert":
            return here + _pick(_LETTERS, rng)
        case "delete":
            return ""
        case "swap":
            return after + here
        case "case":
            return here.swapcase()
        case "keyboard":
            key = _pick(_NEIGHBOURS[here.lower()], rng)
            return key.upper() if here.isupper() else key
        case "ocr":
            return _ALIKE_PAIRS.get(here) or _pick(_ALIKE[here], rng)


def _pick(items: Sequence[_Item], rng: Random) -> _Item:
    """One of some; `random()` alone gives the same numbers in every version of Python."""
    return items[int(rng.random() * len(items))]
