"""Running a search from Python, or going on with it.

Room: api. Ray loads when something is left to run, and torch in its workers.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from freelb_tune.api.plans import MOST_CELLS, span
from freelb_tune.api.remote import kept_at, work_folder
from freelb_tune.api.results import Results, open_results
from freelb_tune.errors import FreeLBTuneError
from freelb_tune.progress import waiting
from freelb_tune.space import Inputs, Plan, Space
from freelb_tune.space.cells.parts import part_folder, take_part
from freelb_tune.space.problems import shown
from freelb_tune.store import check_results, load_store, set_aside
from freelb_tune.store.journal.journal import JOURNAL
from freelb_tune.store.remote.place import uri_of
from freelb_tune.store.remote.uploader import Uploader
from freelb_tune.store.trial_places import TrialPlaces
from freelb_tune.tasks import check_data, data_fingerprint

if TYPE_CHECKING:
    from freelb_tune.search.driver.listener import Listener

__all__ = ["folder_of", "search"]


def folder_of(space: Space, results: str | Path, shard: str | None = None) -> Path:
    """Where a search's results go: `results/NAME`, of a part `results/NAME.shard-1-of-4`.

    Where `results` is a URI, it is the folder in this machine's cache that the search works in.

    Raises:
        FreeLBTuneError: `shard` is no part, such as `1/4`.
    """
    return work_folder(results) / part_folder(space.name, shard)


def search(
    space: Space,
    results: str | Path = "results",
    *,
    fresh: bool = False,
    retry_failed: bool = False,
    address: str | None = None,
    dashboard: bool = True,
    metrics_port: int | None = None,
    most_cells: int | None = MOST_CELLS,
    shard: str | None = None,
    progress: "bool | Listener" = True,
    command: Sequence[str] = (),
) -> Results:
    """Run a search, or continue it: known cells are kept, unfinished ones go on.

    Trials run in a Ray of its own that ends with the search, or in the Ray that this process has
    already started.

    Args:
        space: of `load_space` or `Space.of`.
        results: the folder that searches' folders stand in; this one's is `results/NAME`. Or a URI
            that fsspec opens, `s3://bucket/results`: see docs/cluster.md.
        fresh: move what is stored out of the way, and begin again.
        retry_failed: run failed and diverged cells again.
        address: a Ray cluster to join, `auto` or HOST:PORT; None runs here. Its machines share the
            folder, or reach the URI.
        dashboard: start Ray's dashboard on 127.0.0.1.
        metrics_port: where Ray answers Prometheus, on 127.0.0.1; None for any free port.
        most_cells: refuse a larger search; None runs any.
        shard: run only this part of the plan, `1/4` for the first of four. It has a folder of its
            own and no verdict; `merge` puts the parts together.
        progress: show how it goes, in a notebook as in a terminal.
        command: what asked for this, as `best/README.md` and the journal tell it.

    Raises:
        FreeLBTuneError: the space has no cells or cannot be run in parts, the folder is another's
            or in use, the data or model cannot be had, or a trial asks for more than there is.
        KeyboardInterrupt: Ctrl-C, or SIGTERM. Everything known is kept: the same call continues.
    """
    from freelb_tune.search import run_search
    from freelb_tune.search.driver.work import SearchOptions

    listener = _listener(progress)
    plan = _planned(space, most_cells, shard, listener)
    name = folder_of(space, results, shard).name
    if fresh and (uri := uri_of(results)):
        raise FreeLBTuneError(
            f"--fresh: sets a folder aside, and {uri} has none; choose another place with "
            "--results, or give the space another name"
        )
    with kept_at(results, name, listener.said) as (home, uploader):
        folder = home / name
        if address is not None:
            stored = None if fresh or not (folder / JOURNAL).exists() else folder
            _check_address(address, stored, plan, retry_failed=retry_failed)
        _make_room(space, folder, fresh, listener)
        options = SearchOptions(
            address=address,
            dashboard=dashboard,
            metrics_port=metrics_port,
            retry_failed=retry_failed,
            command=tuple(command),
            cache=home.resolve() / ".cache",
            places=None if uploader is None else _trial_places(uploader, folder, address),
        )
        also = [] if uploader is None else [uploader]
        if run_search(space, plan, folder, options, listener, also=also).interrupted:
            raise KeyboardInterrupt("the search was interrupted; the same call continues it")
    return open_results(folder)


def _listener(progress: "bool | Listener") -> "Listener":
    from freelb_tune.search import Silent, make_display

    if isinstance(progress, bool):
        return make_display() if progress else Silent()
    if not hasattr(progress, "opened"):
        raise FreeLBTuneError(
            f"progress: expected true, false or a Listener, got {shown(progress)}"
        )
    return progress


def _planned(space: Space, most_cells: int | None, shard: str | None, listener: "Listener") -> Plan:
    """The cells of a space, or of a part of it, once its data and models are here."""

    def read(inputs: Inputs) -> str:
        for note in check_data(inputs.task, inputs.data):
            listener.said(note)
        return data_fingerprint(inputs)  # of a dataset of the Hub it is known from here on

    with waiting("fetching and reading data and models", listener.said):
        plan = span(space, most_cells=most_cells, data=read, fetch=True)
    return plan if shard is None else take_part(plan, shard, space.search)


def _make_room(space: Space, folder: Path, fresh: bool, listener: "Listener") -> None:
    """Have a folder that is this search's, or none, as far as can be told beforehand."""
    if fresh and (aside := set_aside(folder)):
        listener.said(f"what was stored is now in {aside}")
    check_results(folder, name=space.name, task=space.task)


def _trial_places(uploader: Uploader, folder: Path, address: str | None) -> TrialPlaces | None:
    """Where a cluster's trials keep their cells; a search here takes back what is there."""
    places = TrialPlaces(uploader.place, folder, uploader.once_sent)
    if address is not None:
        return places
    places.take_back()
    return None


def _check_address(address: str, stored: Path | None, plan: Plan, *, retry_failed: bool) -> None:
    """Refuse an address before anything is written, unless every cell that is stored is over."""
    from freelb_tune.search import Silent
    from freelb_tune.search.ray_tune.machines.address import check_address

    try:
        check_address(address, Silent().said)
    except FreeLBTuneError:
        states = {each.cell.id: each.state for each in load_store(stored).cells} if stored else {}
        over = (states.get(each.id) for each in plan.cells)
        if all(each and each.is_over and not (retry_failed and each.is_broken) for each in over):
            return
        raise
