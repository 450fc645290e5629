"""Results folders of one space put together: which cells there are, and which folder's are kept.

Room: store. Reads alone; what is found is written by `merged_folder`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.space.cells.cell import Cell
from freelb_tune.space.cells.naming import cell_labels
from freelb_tune.store.cells.predictions import has_predictions, predictions_differ
from freelb_tune.store.cells.records import CellState, EpochRecord
from freelb_tune.store.disk.inside import refuse_links
from freelb_tune.store.journal.journal import OWNER, is_held
from freelb_tune.store.journal.look import Look, with_look
from freelb_tune.store.known import CellResult, Store, load_store
from freelb_tune.store.matching import differences

__all__ = ["Merged", "join_folders"]

_MACHINES = {"train_seconds", "eval_seconds", "peak_gib", "micro_batch"}
_COMPARED = [each.name for each in fields(EpochRecord) if each.name not in _MACHINES]
_RANK = {CellState.WAITING: 0, CellState.FAILED: 1, CellState.DIVERGED: 1, CellState.STOPPED: 2,
         CellState.DONE: 3}  # fmt: skip
_MOST = 5  # conflicts that are shown


@dataclass(frozen=True)
class Merged:
    """What the merged folder is to hold.

    Attributes:
        stores: the folders, in the order given.
        cells: of the plan, in its order.
        others: cells of earlier plans.
        seeds: of the plan.
        owners: by cell id, the folder whose record of the cell is kept; a cell that nobody has
            begun has none.
        looks: the verdicts that were made on any of them.
    """

    stores: tuple[Store, ...]
    cells: tuple[Cell, ...]
    others: tuple[Cell, ...]
    seeds: tuple[int, ...]
    owners: Mapping[str, Store]
    looks: tuple[Look, ...]


def join_folders(folders: Sequence[Path], prefer: Path | None = None) -> Merged:
    """Read results folders of one space, and say what they are together.

    A cell that several have is compared: its epochs, but for seconds and memory, and predictions.

    Args:
        folders: two or more.
        prefer: the one of them that is right where their numbers differ.

    Raises:
        FreeLBTuneError: they are not of one space, a search writes in one, or has decided as
            results arrived; their numbers differ; one cannot be read, or holds a link.
    """
    places = [folder.resolve() for folder in folders]
    if len(set(places)) < max(2, len(places)):
        raise FreeLBTuneError("expected two different results folders or more to put together")
    if prefer is not None and prefer.resolve() not in places:
        raise FreeLBTuneError(f"--prefer {prefer}: is none of {', '.join(map(str, folders))}")
    stores = tuple(_load(place) for place in places)
    for other in stores[1:]:
        _check_same_space(stores[0], other)
    cells, seeds = _plan(stores)
    known = {each: r.cell for store in stores for each, r in store.known.items()}
    planned = {cell.id for cell in cells}
    looks: tuple[Look, ...] = ()
    for look in (look for store in stores for look in store.looks):
        looks = with_look(looks, look)
    first = None if prefer is None else stores[places.index(prefer.resolve())]
    return Merged(
        stores=stores,
        cells=cells,
        others=tuple(cell for cell in known.values() if cell.id not in planned),
        seeds=seeds,
        owners=_owners(stores, known, first),
        looks=looks,
    )


def _load(folder: Path) -> Store:
    """A folder that may be merged."""
    store = load_store(folder)
    refuse_links(folder)
    if not store.cells:
        raise FreeLBTuneError(f"{folder}: its search ended before it had planned a cell; run it")
    if is_held(folder):
        raise FreeLBTuneError(
            f"{folder}: a search is writing here; merge when it has ended (if none is, delete "
            f"{OWNER} there, which a killed one has left)"
        )
    if any(event["event"] in ("decided", "proposed") for event in store.events):
        algorithm = (store.space.get("search") or {}).get("algorithm")
        raise FreeLBTuneError(
            f"{folder}: its search (algorithm: {algorithm}) decided by the results of this folder "
            "alone; with the others' it might have decided otherwise. Folders can be put together "
            "where every cell is run: algorithm grid, or random without a sampler"
        )
    return store


def _check_same_space(first: Store, other: Store) -> None:
    """Refuse a folder of another space: of another name or task, or with other configurations."""
    if (first.name, first.task) != (other.name, other.task):
        raise FreeLBTuneError(
            f"{other.folder}: holds results of the space {other.name!r} on task {other.task!r}, "
            f"and {first.folder} those of {first.name!r} on {first.task!r}; folders of one space "
            "can be put together"
        )
    if first.plan == other.plan:
        return
    ours, theirs = ([each.cell for each in store.cells] for store in (first, other))
    part = next((store for store in (first, other) if store.shard), None)
    if part is not None or {c.config_id for c in ours} != {c.config_id for c in theirs}:
        found = differences(ours, theirs)
        raise FreeLBTuneError(
            f"{other.folder}: its search has other {'cells' if part else 'configurations'} than "
            f"that of {first.folder}{'; differs: ' * bool(found)}{', '.join(found)}; folders of "
            "one space can be put together, "
            + ("parts of one plan first" if part else "which may differ in their seeds")
        )


def _plan(stores: Sequence[Store]) -> tuple[tuple[Cell, ...], tuple[int, ...]]:
    """The cells of all plans in the order of one search over all seeds, and those seeds."""
    first = stores[0]
    if all(store.plan == first.plan for store in stores):
        known = {name: result.cell for store in stores for name, result in store.known.items()}
        lacking = sum(name not in known for name in first.plan)
        if lacking:
            raise FreeLBTuneError(
                f"these folders are the parts {', '.join(str(store.shard) for store in stores)} "
                f"of a plan of {counted(len(first.plan), 'cell')}, of which they lack {lacking:,}; "
                "name the other parts, too, or run them with --shard"
            )
        return tuple(known[name] for name in first.plan), first.seeds
    plans = [[each.cell for each in store.cells] for store in stores]
    seeds = sorted({cell.seed for plan in plans for cell in plan})
    blocks = sorted({cell.block for plan in plans for cell in plan})
    found = {(cell.config_id, cell.block): cell for plan in plans for cell in plan}
    configs = dict.fromkeys(cell.config_id for cell in plans[0])
    cells = (found.get((config, block)) for config in configs for block in blocks)
    return tuple(cell for cell in cells if cell is not None), tuple(seeds)


def _owners(
    stores: Sequence[Store], known: Mapping[str, Cell], prefer: Store | None
) -> dict[str, Store]:
    """Whose record of each cell is kept.

    Raises:
        FreeLBTuneError: a cell's numbers differ, and nobody said which are right.
    """
    labels = cell_labels(list(known.values()))
    results = [(store, store.known) for store in stores]
    owners: dict[str, Store] = {}
    conflicts: list[str] = []
    twins: set[str] = set()
    for cell_id in known:
        found = [(store, by_id[cell_id]) for store, by_id in results if cell_id in by_id]
        begun = [(store, result) for store, result in found if _is_begun(result)]
        if not begun:
            for store, result in found:
                if result.same_as is not None and result.same_as.id not in twins:
                    owners[cell_id] = store
                    twins.add(cell_id)  # nothing that stands for it may run for it
                    break
            continue
        owners[cell_id] = begun[0][0]
        if len(begun) > 1:
            differs = [text for a, b in combinations(begun, 2) if (text := _conflict(a, b))]
            if differs and prefer is not None and any(store is prefer for store, _ in begun):
                owners[cell_id] = prefer
                continue
            owners[cell_id] = max(begun, key=lambda each: _rank(each[1]))[0]
            named = dict.fromkeys(["cell " + cell_id, labels[cell_id].removeprefix(cell_id)])
            conflicts += [f"{', '.join(filter(None, named))}: {text}" for text in differs[:1]]
    if conflicts:
        more = [f"and {len(conflicts) - _MOST} more"] if len(conflicts) > _MOST else []
        raise FreeLBTuneError(
            f"{counted(len(conflicts), 'cell')} with other numbers in one folder than in another; "
            "nothing was written, and --prefer FOLDER says which folder is right:\n  "
            + "\n  ".join(conflicts[:_MOST] + more)
        )
    return owners


def _is_begun(result: CellResult) -> bool:
    """Whether a folder has something of a cell that can be kept: its own, and not damaged."""
    own = result.same_as is None and result.damage is None
    return own and (result.state.is_over or bool(result.epochs))


def _rank(result: CellResult) -> tuple[int, int, int]:
    """How much a folder has of a cell whose numbers are the same in others."""
    kept = sum(has_predictions(result.folder, record.epoch) for record in result.epochs)
    return _RANK.get(result.state, 0), len(result.epochs), kept


def _conflict(one: tuple[Store, CellResult], other: tuple[Store, CellResult]) -> str | None:
    """How two folders' numbers of a cell differ, with the values; None where they agree."""
    (ours, a), (theirs, b) = one, other

    def told(what: str, first: object, second: object) -> str:
        return f"{what} {first} in {ours.folder}, {second} in {theirs.folder}"

    for record, again in zip(a.epochs, b.epochs, strict=False):
        for name in _COMPARED:
            first, second = getattr(record, name), getattr(again, name)
            if None not in (first, second) and first != second:
                return told(f"epoch {record.epoch}, {name}", first, second)
        if predictions_differ(a.folder, b.folder, record.epoch):
            return told(f"epoch {record.epoch}, predictions", "of one kind", "others")
    if {a.state, b.state} == {CellState.DONE, CellState.DIVERGED}:
        return told("is", a.state, b.state)
    if a.state is b.state is CellState.DONE and len(a.epochs) != len(b.epochs):
        return told("epochs", len(a.epochs), len(b.epochs))
    return None
