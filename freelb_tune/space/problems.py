"""What is wrong with a search-space file, gathered so that all of it is said at once.

Room: space.
"""

from collections.abc import Mapping

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
        return f"the mapping {{{', '.join(map(str, value))}}}" if value else "an empty mapping"
    return repr(value)


class Problems:
    """Collects problems by the dotted key that they stand at."""

    def __init__(self, source: str, places: Mapping[str, int | str], several: str = "") -> None:
        """Collect for one file.

        Args:
            source: the file, as messages name it.
            places: the line of each dotted key, or the override that set it.
            several: how several values are tried where one stands, `{}` for them as a grid.
        """
        self._source, self._places, self.several = source, places, several
        self._found: dict[tuple[str, str], None] = {}

    def add(self, key: str, message: str) -> None:
        """Note a problem; the same one twice counts once."""
        self._found[key, message] = None

    def __len__(self) -> int:
        return len(self._found)

    def raise_if_any(self) -> None:
        """Say everything that was found, in the file's order.

        Raises:
            FreeLBTuneError: something was.
        """
        if not self._found:
            return
        count = "1 problem" if len(self._found) == 1 else f"{len(self._found)} problems"
        told = []
        for key, message in sorted(self._found, key=lambda found: self._order(found[0])):
            place = self._place(key)
            told.append(
                f"  {f'line {place}, ' if isinstance(place, int) else place}{key}: {message}"
            )
        raise FreeLBTuneError("\n".join([f"{self._source}: {count}", *told]))

    def _place(self, key: str) -> int | str:
        """Where a key stands: its line or override, or those of what is in it or around it."""
        within = [name for name in self._places if name.startswith(f"{key}.")]
        key = within[0] if within and key not in self._places else key
        while key:
            if key in self._places:
                place = self._places[key]
                return place if isinstance(place, int) else f"{place}, "
            key = key.rpartition(".")[0]
        return ""

    def _order(self, key: str) -> tuple[bool, int]:
        place = self._place(key)
        return not isinstance(place, int), place if isinstance(place, int) else 0
