"""Keeps a finished search among the results of record, and takes it out again.

    python docs/record.py keep results/stsb docs/results/stsb    after the search
    python docs/record.py open docs/results/stsb FOLDER          FOLDER is its results folder again

What is kept: tables and page to read, and `record.tar.xz` with the journal, the epochs and the
predictions on the dev set, from which a test makes the same tables. No checkpoint and no text.
"""

import io
import sys
import tarfile
from pathlib import Path

import freelb_tune as ft

TABLES = ("table.md", "table.csv", "configurations.csv", "trials.csv", "robustness.md")
FACTS = ("space.yaml", "journal.jsonl", "environment.json")
CELLS = ("epochs.jsonl", "predictions/*.npz")
ARCHIVE = "record.tar.xz"
MOST_BYTES = 1_000_000


def keep(results: Path, target: Path) -> int:
    """Write a results folder's record; gives its size in bytes.

    The page leaves out plotly's script, which is nearly all of it: it reads `../plotly.min.js`,
    which `make docs` puts there.
    """
    target.mkdir(parents=True, exist_ok=True)
    page = ft.open_results(results).report().read_text("utf-8")
    before, _, rest = page.partition('<script type="text/plain" id="plotly">')
    after = rest.partition("</script>")[2]
    linked = '<script src="../plotly.min.js"></script>'
    (target / "page.html").write_text(f"{before}{linked}{after}", "utf-8")
    for name in TABLES:
        if (results / name).exists():
            (target / name).write_bytes((results / name).read_bytes())
    with tarfile.open(target / ARCHIVE, "w:xz", preset=9) as archive:
        for path in _kept(results):
            told = tarfile.TarInfo(path.relative_to(results).as_posix())
            told.size = path.stat().st_size
            archive.addfile(told, io.BytesIO(path.read_bytes()))
    return sum(path.stat().st_size for path in target.iterdir())


def take_out(record: Path, folder: Path) -> None:
    """Make the results folder of a record again, without its tables."""
    with tarfile.open(record / ARCHIVE, "r:xz") as archive:
        archive.extractall(folder, filter="data")


def _kept(results: Path) -> list[Path]:
    facts = [results / name for name in FACTS]
    return facts + sorted(p for part in CELLS for p in results.glob(f"cells/*/{part}"))


if __name__ == "__main__":
    what, source, goal = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if what == "open":
        take_out(source, goal)
    else:
        size = keep(source, goal)
        sys.stdout.write(f"{goal}: {size:,} bytes\n")
        if size > MOST_BYTES:
            sys.exit(f"these are too many; {MOST_BYTES:,} at most")
