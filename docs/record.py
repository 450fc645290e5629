"""Keeps a finished search among the results of record, and takes it out again.

    python docs/record.py keep results/stsb docs/results/stsb    after the search
    python docs/record.py open docs/results/stsb FOLDER          FOLDER is its results folder again
    python docs/record.py site build/site                        what the kept pages read

What is kept: tables and page to read, and `record.tar.xz` with the journal, the epochs and the
predictions on the dev set, from which a test makes the same tables. No checkpoint and no text.
"""

import io
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import freelb_tune as ft
from freelb_tune.results.page.document import plotly_script
from freelb_tune.results.tables.contents.metric import measure_of
from freelb_tune.store import load_store

TABLES = ("table.md", "table.csv", "configurations.csv", "trials.csv", "robustness.md")
FACTS = ("space.yaml", "journal.jsonl", "environment.json")
ARCHIVE = "record.tar.xz"
CALLED = {"data.path": "GLUE_FOLDER", "data.advglue": "ADVGLUE_FOLDER"}
MOST_BYTES = 1_000_000


def keep(results: Path, target: Path) -> int:
    """Write a results folder's record; gives its size in bytes.

    The data's folders are called GLUE_FOLDER and ADVGLUE_FOLDER in it, wherever they lay. The page
    leaves out plotly's script, which is nearly all of it: it reads `../plotly.min.js`, which
    `make docs` puts there.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        copied = Path(scratch, results.name)
        _copy(results, copied)
        page = ft.open_results(copied).report().read_text("utf-8")
        for name in TABLES:
            if (copied / name).exists():
                shutil.copyfile(copied / name, target / name)
        with tarfile.open(target / ARCHIVE, "w:xz", preset=9) as archive:
            for path in _facts(copied):
                told = tarfile.TarInfo(path.relative_to(copied).as_posix())
                told.size = path.stat().st_size
                archive.addfile(told, io.BytesIO(path.read_bytes()))
    before, _, rest = page.partition('<script type="text/plain" id="plotly">')
    after = rest.partition("</script>")[2]
    linked = '<script src="../plotly.min.js"></script>'
    (target / "page.html").write_text(f"{before}{linked}{after}", "utf-8")
    return sum(path.stat().st_size for path in target.iterdir())


def take_out(record: Path, folder: Path) -> None:
    """Make the results folder of a record again, without its tables."""
    with tarfile.open(record / ARCHIVE, "r:xz") as archive:
        archive.extractall(folder, filter="data")


def _facts(results: Path) -> list[Path]:
    """What all else is made from; of predictions those of each cell's best and last epoch."""
    store = load_store(results)
    better = measure_of(store).better
    cells = []
    for each in store.cells:
        epochs = {one.epoch for one in (each.best(better), each.last) if one is not None}
        names = (f"predictions/epoch_{epoch:04d}.npz" for epoch in sorted(epochs))
        cells += [each.folder / name for name in ("epochs.jsonl", *names)]
    return [results / name for name in FACTS] + sorted(path for path in cells if path.exists())


def _copy(results: Path, copied: Path) -> None:
    places = {}
    for each in load_store(results).cells:
        for name, shown in CALLED.items():
            place = str(each.cell.settings.get(name))
            folder = place if name == "data.path" else place.rpartition("/")[0]
            if "/" in place:
                places[folder] = shown
    for path in _facts(results):
        whole = path.read_bytes()
        if path.name in FACTS:
            for place, shown in places.items():
                whole = whole.replace(place.encode(), shown.encode())
        goal = copied / path.relative_to(results)
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.write_bytes(whole)


if __name__ == "__main__":
    what, source, goal = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[-1])
    if what == "open":
        take_out(source, goal)
    elif what == "site":
        (source / "results" / "plotly.min.js").write_text(plotly_script(), "utf-8")
    else:
        size = keep(source, goal)
        sys.stdout.write(f"{goal}: {size:,} bytes\n")
        if size > MOST_BYTES:
            sys.exit(f"these are too many; {MOST_BYTES:,} at most")
