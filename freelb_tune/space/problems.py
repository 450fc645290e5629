"""What is wrong with a search-space file, gathered so that all of it is said at once.

Room: space.
"""

from collections.abc import Mapping
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError

__all__ = ["Problems", "shown"]


def shown(value: object) -> str:
    """A value as a message quotes it: text says that it is text."""
    if isinstance(value, str):
        return f"the text {value!r}"
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    return repr(value)


class Problems:
    """Collects problems by the dotted key that they stand at."""

    def __init__(self, path: Path, places: Mapping[str, int | str]) -> None:
        self._path, self._places = path, places
        self._found: list[tuple[str, str]] = []

    def add(self, key: str, message: str) -> None:
        """Note a problem; the same one twice counts once."""
        if (key, message) not in self._found:
            self._found.append((key, message))

    def __len__(self) -> int:
        return len(self._found)

    def place(self, key: str) -> str:
        """Where a key stands: its line, its override, or that of the section around it."""
        while key:
            if key in self._places:
                place = self._places[key]
                return f"line {place}" if isinstance(place, int) else place
            key = key.rpartition(".")[0]
        return "the file"

    def raise_if_any(self) -> None:
        """Say everything that was found.

        Raises:
            FreeLBTuneError: something was.
        """
        if not self._found:
            return
        count = "1 problem" if len(self._found) == 1 else f"{len(self._found)} problems"
        lines = [f"{self._path}: {count}"]
        told = [(self.place(key), key, message) for key, message in self._found]
        told.sort(key=lambda t: int(t[0].split()[1]) if t[0].startswith("line ") else 0)
        lines += [f"  {place}, {key}: {message}" for place, key, message in told]
        raise FreeLBTuneError("\n".join(lines))
