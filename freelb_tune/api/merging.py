"""Putting results folders of one space together, such as two machines'.

Room: api. Neither Ray nor torch loads.
"""

from collections.abc import Sequence
from pathlib import Path

from freelb_tune.api.remote import everything, kept_at, looked_in
from freelb_tune.api.results import Results, open_results
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.store import Store
from freelb_tune.store.remote.place import uri_of

__all__ = ["merge"]


def merge(
    folders: Sequence[str | Path],
    into: str | Path | None = None,
    *,
    prefer: str | Path | None = None,
    command: Sequence[str] = (),
) -> Results:
    """Put results folders of one space together in a new one; they stay as they are.

    They may have different cells and seeds, or the same: a cell that several have is compared, its
    epochs (but for seconds and memory) and its predictions. The looks of all count.

    Args:
        folders: two or more, or their URIs.
        into: the new folder, or a URI; None for NAME beside the first.
        prefer: the one of them that is right where their numbers differ.
        command: what asked for this, as the journal tells it.

    Raises:
        FreeLBTuneError: they are not of one space, a search writes in one or has decided as results
            arrived, numbers differ, something else is at `into`, or the disk refuses.
    """
    from freelb_tune.store.merged_folder import write_merged
    from freelb_tune.store.merging import join_folders

    asked = None if prefer is None else looked_in(prefer, everything)
    merged = join_folders([looked_in(folder, everything) for folder in folders], asked)
    if into is None:
        into = _beside(folders[0], merged.stores[0])
        if into in [uri_of(folder) or str(Path(folder).resolve()) for folder in folders]:
            raise FreeLBTuneError(f"{into}: is one of them; name the new folder with --into")
    parent, _, name = (uri_of(into) or str(Path(into).resolve())).rpartition("/")
    with kept_at(parent or "/", name, lambda _: None) as (home, _):
        write_merged(merged, home / name, command)
        _finish(home / name, command)
    return open_results(home / name)


def _beside(first: str | Path, store: Store) -> str:
    """NAME beside a folder or a URI."""
    uri = uri_of(first)
    if uri is not None:
        return f"{uri.rpartition('/')[0]}/{store.name}"
    return str(store.folder.parent / store.name)


def _finish(folder: Path, command: Sequence[str]) -> None:
    """What follows from the journal, as at the end of a search: the look, the model, the tables."""
    from freelb_tune.results import write_outputs
    from freelb_tune.results.analysis import judge
    from freelb_tune.results.tables.contents.metric import measure_of
    from freelb_tune.search.driver.board import Board
    from freelb_tune.search.driver.selected.best import BestModel
    from freelb_tune.space.cells.naming import cell_labels
    from freelb_tune.store import Journal, load_store, new_look, utc_now
    from freelb_tune.tasks import TASKS

    with Journal(folder) as journal:
        store = load_store(folder)
        look = new_look(store)
        if look is not None:
            journal.append("looked", at=utc_now(), **look)
        own = [each for each in store.cells if each.same_as is None]
        cells = [each.cell for each in own]
        select = (store.space.get("table") or {}).get("select", "best_epoch")
        board = Board(cells, measure_of(store), cell_labels(cells), select)
        for each in own:
            board[each.cell.id].learn(each)
        if store.task in TASKS:  # else its plugin is not here, and the next search makes best/
            BestModel(folder, command).settle(board)
        write_outputs(folder, judge)
