"""A plan as a Python user has it: the cells, what they could show and what they cost.

Room: api.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from freelb_tune.space import Inputs, Space, list_plan, plan_cells
from freelb_tune.space import Plan as Cells
from freelb_tune.tasks import check_data, data_fingerprint
from freelb_tune.training import model_fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from freelb_tune.results.forecast import Cost, Forecast
    from freelb_tune.results.statistics.power import Power

__all__ = ["MOST_CELLS", "Plan", "plan", "span"]

MOST_CELLS = 100_000
"""A larger search is likelier a mistake than meant."""


@dataclass(frozen=True, repr=False)
class Plan:
    """What a search would run, could show, and costs. Nothing has run.

    Attributes:
        space: what was planned.
        known: the state of the cells that the results folder has, by id.
    """

    space: Space
    known: Mapping[str, str]
    _cells: Cells
    _results: Path

    def __len__(self) -> int:
        return len(self._cells.cells)

    @cached_property
    def cells(self) -> "pd.DataFrame":
        """One row per cell in the order of running.

        `cell_id`, `config_id` (the same for all seeds), `clean_id` (of its clean arm), `arm`,
        `seed`, `state` ("new", or what the results folder knows), then every setting by its
        dotted name.
        """
        from freelb_tune.api.frames import plan_frame

        return plan_frame(self._cells.cells, self.known)

    @cached_property
    def forecast(self) -> "Forecast":
        """Power and cost, from the plan and from finished cells like it; scipy loads for it."""
        from freelb_tune.results.forecast import forecast

        return forecast(self.space, self._cells, self._results)

    @property
    def power(self) -> "Power | None":
        """What differences it would show: `smallest`, `seeds_for_a_point`; None where not known."""
        return self.forecast.power

    @property
    def cost(self) -> "Cost":
        """What it takes: `updates`, `passes`, `device_hours`, `device_hours_left`."""
        return self.forecast.cost

    @property
    def listing(self) -> str:
        """Every cell as a line of text, then the counts."""
        return list_plan(self.space, self._cells, self.known)

    def __repr__(self) -> str:
        return "\n".join([self.listing, *self.forecast.sentences])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.forecast.sentences)
        return f"{self.cells.to_html(max_rows=20, index=False)}{said}"


def plan(
    space: Space, results: str | Path = "results", *, most_cells: int | None = MOST_CELLS
) -> Plan:
    """List what a search would run, could show, and costs. Runs and fetches nothing.

    Args:
        space: of `load_space` or `Space.of`.
        results: the folder that searches' folders stand in: what they know is told, and finished
            cells of this model and task say how long new ones take.
        most_cells: refuse a larger search; None plans any.

    Raises:
        FreeLBTuneError: it has no cells, too many, or its data or model is not there.
    """
    cells = span(space, most_cells=most_cells)
    return Plan(space, _known(Path(results) / space.name), cells, Path(results))


def span(
    space: Space, *, most_cells: int | None, say: Callable[[str], None] | None = None
) -> Cells:
    """The cells of a space.

    Args:
        space: the space.
        most_cells: refuse a larger one; None for any.
        say: is told what a user should know of the data, which is then read, and what the Hub has
            is fetched; None only looks at what is here, and quickly.

    Raises:
        FreeLBTuneError: as `plan`.
    """
    return plan_cells(
        space,
        data_fingerprint=data_fingerprint if say is None else partial(_read_data, say),
        model_fingerprint=partial(model_fingerprint, fetch=say is not None),
        limit=most_cells,
    )


def _read_data(say: Callable[[str], None], inputs: Inputs) -> str:
    for note in check_data(inputs.task, inputs.data):
        say(note)
    return data_fingerprint(inputs)


def _known(folder: Path) -> dict[str, str]:
    """The state of every cell that a results folder knows, by id."""
    from freelb_tune.store import load_store

    if not (folder / "journal.jsonl").is_file():
        return {}
    store = load_store(folder)
    return {each.cell.id: str(each.state) for each in (*store.cells, *store.others)}
