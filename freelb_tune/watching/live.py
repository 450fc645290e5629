"""What the server shows of each search, worked out again only when its folder has changed.

Room: watching. Called from threads; one search is worked out by one thread at a time.
"""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freelb_tune.results.outputs import Judge, both_arms, judged
from freelb_tune.results.page.document import page_data, to_html
from freelb_tune.results.tables.contents.pending import pending
from freelb_tune.store import load_store
from freelb_tune.watching.snapshot import change_mark, snapshot

__all__ = ["Live", "mark_of"]


def mark_of(folder: Path) -> str:
    """A short text that is another one when the folder has news."""
    return hashlib.sha256(repr(change_mark(folder)).encode()).hexdigest()[:16]


@dataclass
class _Known:
    """What was made of a search when its mark was this."""

    mark: str = ""
    made: dict[str, str] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)


class Live:
    """Pages and JSON of searches, kept until they have news."""

    def __init__(self) -> None:
        self._known: dict[Path, _Known] = {}
        self._turn = threading.Lock()

    def page(self, folder: Path) -> str:
        """The page, which asks for news by itself.

        Raises:
            FreeLBTuneError: the folder is damaged.
        """
        return self._made(folder, "page")

    def page_json(self, folder: Path) -> str:
        """What the page is made of: cells, epochs, predictions. Raises as `page`."""
        return self._made(folder, "data")

    def status_json(self, folder: Path) -> dict[str, Any]:
        """What `freelb-tune status --json` says. Raises as `page`."""
        told: dict[str, Any] = json.loads(self._made(folder, "status"))
        return told

    def _made(self, folder: Path, what: str) -> str:
        with self._turn:
            known = self._known.setdefault(folder, _Known())
        with known.turn:
            mark = mark_of(folder)
            if mark != known.mark:
                known.made, known.mark = {}, mark
            if what not in known.made:
                known.made[what] = _make(folder, what, mark)
            return known.made[what]


def _make(folder: Path, what: str, mark: str) -> str:
    if what == "status":
        return json.dumps(snapshot(folder).to_json())
    store = load_store(folder)
    told: Judge | None = None
    if pending(store) is None and store.cells:
        from freelb_tune.results.analysis import judge  # a second, for a search that is over

        told = judge
    table, choosing = judged(store, told)
    if what == "page":
        found = both_arms(store, table, is_judged=told is not None)
        return to_html(store, table, choosing, live=mark, robustness=found)
    return json.dumps(page_data(store, table, choosing, {}))
