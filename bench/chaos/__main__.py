"""Walks a small search through every fault, and compares each with an undisturbed one.

    python -m bench.chaos                         all of it: a quarter of an hour, if quiet
    python -m bench.chaos --only raylet gcs       some of it
    python -m bench.chaos --minutes 5             as many as fit
    python -m bench.chaos --page docs/chaos.md    also into the page's table; other rows stay

After each fault the same command is given again, until it ends well. It leaves 1 where an epoch was
lost or doubled, a decision changed, a table differs, something was left behind, or a fault could
not be made.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from bench.chaos.faults import FAULTS
from bench.chaos.search import FaultMissed, Search, compare, new_search

_MOST_RUNS = 4
_HEAD = (
    "| fault | what was done | exit statuses | epochs lost | doubled | decisions changed "
    "| tables equal | left behind | seconds |",
    "| --- | --- | --- | ---: | ---: | ---: | --- | ---: | ---: |",
)


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    what: str
    statuses: str
    lost: int
    doubled: int
    changed: int
    equal: str
    left: int
    seconds: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing of the fault is left."""
        return not (self.lost or self.doubled or self.changed or self.left) and self.equal == "yes"

    def __str__(self) -> str:
        return f"| {' | '.join(map(str, astuple(self)))} |"


def meet(name: str, base: Path, whole: Search) -> Line:
    """Have a search meet a fault, go on with it to its end, and compare.

    Raises:
        FaultMissed: the fault could not be made.
    """
    what, fault = FAULTS[name]
    start, search = time.monotonic(), new_search(base / name)
    fault(search)
    statuses = list(search.runs)
    while len(statuses) < _MOST_RUNS and search.run():
        statuses.append(search.runs[-1])
    statuses.append(search.runs[-1])
    found = compare(search, whole)
    return Line(
        name,
        what,
        ", ".join(map(str, statuses)),
        found.lost,
        found.doubled,
        found.changed,
        "yes" if found.equal else "no",
        search.left_behind(),
        round(time.monotonic() - start),
    )


def write_page(path: Path, lines: list[Line]) -> None:
    """Put lines into a page's table in the order of the faults; those of other faults stay."""
    before, head, rest = path.read_text("utf-8").partition(f"{_HEAD[0]}\n{_HEAD[1]}\n")
    if not head:
        raise SystemExit(f"{path} has no table of this script")
    rows_before, after = ("", rest) if rest.startswith("\n") else rest.split("\n\n", 1)
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in rows_before.splitlines()}
    rows |= {line.name: str(line) for line in lines}
    kept = "\n".join(rows[name] for name in FAULTS if name in rows)
    path.write_text(f"{before}{head}{kept}\n\n{after.lstrip()}", "utf-8")


def status(lines: list[Line], missed: list[str]) -> int:
    """How the walk exits: 1 where a search came out different, 3 where some of it was not done."""
    return 1 if not all(line.is_clean for line in lines) else 3 if missed else 0


def main() -> None:
    """Walk, and print the table as it comes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--minutes", type=float, default=20.0, help="begin no fault after these")
    parser.add_argument("--page", type=Path, help="a page whose table gets the lines")
    asked = parser.parse_args()
    start, lines, missed = time.monotonic(), list[Line](), list[str]()
    with tempfile.TemporaryDirectory() as scratch:
        whole = new_search(Path(scratch) / "whole")
        if whole.run():
            raise SystemExit(f"the undisturbed search failed:\n{whole.said}")
        print("\n".join(_HEAD), flush=True)
        for name in asked.only:
            if time.monotonic() - start > asked.minutes * 60:
                print(f"{name}: not begun, the {asked.minutes:g} minutes are over", file=sys.stderr)
                missed.append(name)
                continue
            try:
                lines.append(meet(name, Path(scratch), whole))
            except FaultMissed as err:
                missed.append(name)
                print(f"{name}: {err}", file=sys.stderr)
                continue
            print(lines[-1], flush=True)
            if asked.page:
                write_page(asked.page, lines)
    if missed:
        print(f"not walked: {', '.join(missed)}", file=sys.stderr)
    sys.exit(status(lines, missed))


if __name__ == "__main__":
    main()
