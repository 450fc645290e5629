"""`freelb-tune plan`: what a search would run, could show, and costs.

Room: cli.
"""

from pathlib import Path

from freelb_tune.cli.opening import open_space
from freelb_tune.cli.options import Data, Overrides, Plugins, Results, SpaceFile, Yes

__all__ = ["plan"]


def plan(
    space: SpaceFile,
    overrides: Overrides = None,
    results: Results = Path("results"),
    data: Data = None,
    plugin: Plugins = None,
    yes: Yes = False,
) -> None:
    """List every cell of a space, what it could show, and what it costs. Runs nothing."""
    from freelb_tune.space import list_plan

    opened = open_space(space, overrides, results, data, plugin, yes=yes, fetch=False)
    print(list_plan(opened.space, opened.plan, _known(opened.folder)), flush=True)
    from freelb_tune.results.forecast import foresee  # scipy, which the list need not wait for

    print(*foresee(opened.space, opened.plan, results), sep="\n")


def _known(folder: Path) -> dict[str, str]:
    """The state of every cell that a results folder knows, by id."""
    from freelb_tune.store import load_store

    if not (folder / "journal.jsonl").is_file():
        return {}
    store = load_store(folder)
    return {r.cell.id: str(r.state) for r in (*store.cells, *store.others)}
