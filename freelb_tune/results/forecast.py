"""What `plan` says before the money is spent: what the search could show, and what it costs.

Room: results. A space, its plan and the results so far in; numbers and their sentences out.
Without numpy until a power is asked for, and never pandas, torch or Ray.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.results.workload import Cost, Effort, Pace, effort_of, pace_of
from freelb_tune.space import Cell, Plan, Space
from freelb_tune.space.cells.cell import Block, Value
from freelb_tune.space.settings.algorithms import VerdictSettings
from freelb_tune.store import CellResult, CellState, Store, load_store
from freelb_tune.tasks import Metric, data_sizes, get_task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from freelb_tune.results.statistics.numbers.power import Power

__all__ = ["Forecast", "forecast", "stores_in"]

_TOO_MANY = 500  # seeds of each arm: a question that nobody means to pay for
_ENOUGH = 4  # degrees of freedom from which a measured spread says more than the assumed range

_SAME_MODEL = (
    "task",
    "model.name",
    "model.revision",
    "model.config",
    "model.adapter.type",
    "data.max_length",
)
_SAME_DATA = ("data.max_train_examples", "data.max_eval_examples", "data.folds")


@dataclass(frozen=True)
class Forecast:
    """What a plan says beside its cells.

    Attributes:
        power: what differences would be seen; None where that cannot be said.
        why_not: why not, in a sentence; empty where it can.
        rule: by what rule the algorithm ends cells early, with its error rate; empty without one.
        cost: what it takes.
    """

    power: "Power | None"
    why_not: str
    rule: str
    cost: Cost

    @property
    def sentences(self) -> tuple[str, ...]:
        """The lines that `plan` prints."""
        power = self.why_not if self.power is None else self.power.sentence
        return (power, *([self.rule] if self.rule else []), *self.cost.sentences)


def forecast(space: Space, plan: Plan, stores: Sequence[Store]) -> Forecast:
    """Say what a search could show and what it takes, from its plan and from earlier cells.

    Args:
        space: the space.
        plan: its cells; draws stand in for what is to be proposed.
        stores: of `stores_in`.

    Raises:
        FreeLBTuneError: the data settings are wrong.
    """
    plan = plan.as_if_drawn().distinct()
    metric = get_task(space.task).metric(space.search.metric)
    sizes = _Sizes()
    power = _power(space, plan, stores, metric, sizes)
    return Forecast(
        power=None if isinstance(power, str) else power,
        why_not=power if isinstance(power, str) else "",
        rule=space.search.rule(len(space.seeds)) + _takes(space, power),
        cost=_cost(space, plan, stores, sizes),
    )


def _takes(space: Space, power: "Power | str") -> str:
    """How many seeds an answer of a `verdict` search is likely to take."""
    if not isinstance(space.search, VerdictSettings) or isinstance(power, str):
        return ""
    from freelb_tune.results.statistics.numbers.power import MOST_SEEDS
    from freelb_tune.results.statistics.numbers.sequential import Question

    margin = space.search.margin
    question = Question(margin / 100, power.low.configurations)
    ends = [question.seeds(trial.spread) for trial in (power.low, power.high)]
    most = f"more than {MOST_SEEDS:,}"
    seeds = " to ".join(dict.fromkeys(most if n > MOST_SEEDS else f"{n:,}" for n in ends))
    seeds = seeds if ends[0] > MOST_SEEDS else f"about {seeds}"
    if ends[0] > _TOO_MANY:
        return (
            f" A margin of {counted(margin, 'point')} is far below what seeds do: to exclude it "
            f"takes {seeds} seeds of each arm. Raise search.margin."
        )
    return f" Where nothing helps an answer takes {seeds} seeds of each arm."


class _Sizes:
    """Examples of each cell's sets, asked once per distinct data."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int | None, int | None]] = {}

    def of(self, cell: Cell) -> tuple[int | None, int | None]:
        """Training and dev examples; None for what is not known."""
        if cell.data_fingerprint not in self._known:
            sizes = data_sizes(cell.task, cell.data)
            self._known[cell.data_fingerprint] = sizes.train, sizes.dev
        return self._known[cell.data_fingerprint]


def stores_in(results: Path, known: Store | None = None) -> list[Store]:
    """What is known of all searches; folders that cannot be read are passed over.

    Args:
        results: the folder of their folders.
        known: one of them, where it has been read.
    """
    stores = []
    for journal in sorted(results.glob("*/journal.jsonl")):
        folder = journal.parent
        try:
            stores.append(known if known and known.folder == folder else load_store(folder))
        except FreeLBTuneError:
            continue  # another search's damage is not this plan's to say
    return stores


def _power(
    space: Space, plan: Plan, stores: Sequence[Store], metric: Metric, sizes: _Sizes
) -> "Power | str":
    """What differences would be seen, or why that cannot be said."""
    tried = {cell.config_id for cell in plan.cells if cell.arm == "adversarial"}
    compared = {c.config_id for c in plan.cells if c.arm == "adversarial" and c.clean_id}
    if not compared:
        why = "the clean arm is switched off" if tried else "every cell is the clean arm"
        return f"Power: none, as {why}: nothing will be compared with the clean arm."
    if metric.better == "lower":
        return f"Power: not stated for {metric.name}, which is not a share of anything."
    examples = {sizes.of(cell)[1] for cell in _first_of_configs(plan)}
    if len(examples) > 1 or None in examples:
        return "Power: not stated, as the number of dev examples is not known before data is read."
    count = next(iter(examples)) or 0
    if count < 2:
        return f"Power: none, with {count} dev example."
    from freelb_tune.results.statistics.comparing.folds import overlap_of
    from freelb_tune.results.statistics.numbers.anova import pooled_spread
    from freelb_tune.results.statistics.numbers.power import Power, Trial
    from freelb_tune.results.statistics.numbers.prior import prior_spreads

    alike = _alike(plan, stores, _SAME_MODEL + _SAME_DATA)
    spread, freedom = pooled_spread(_tables(space, alike, metric))
    spreads = prior_spreads(count, metric.name)
    source = "from steady to short training, as nothing of this model and task is measured yet"
    if spread > 0 and freedom >= _ENOUGH:
        spreads = (spread, spread)
        source = f"measured in {counted(len(alike), 'finished cell')} of this model and task"
    arms, seeds, folds = len(compared), len(space.seeds), space.folds
    if not folds:
        low, high = (Trial(arms, seeds, one) for one in spreads)
        return Power(low, high, count, source)
    least, most = spreads
    if least < most:  # what seeds do beyond flipping examples is averaged over them
        spreads = (least, math.sqrt(least**2 + (most**2 - least**2) / seeds))
    overlap = overlap_of(folds, count, plan.cells[0].data.max_train_examples)
    low, high = (Trial(arms, folds, one, overlap=overlap) for one in spreads)
    return Power(low, high, count, source, seeds)


def _cost(space: Space, plan: Plan, stores: Sequence[Store], sizes: _Sizes) -> Cost:
    """Weight updates and passes, and device-hours where earlier cells say how fast they were."""
    cells = {cell.config_id: cell for cell in _first_of_configs(plan)}
    efforts = {name: effort_of(cell, sizes.of(cell)[0]) for name, cell in cells.items()}
    known = [effort for cell in plan.cells if (effort := efforts[cell.config_id]) is not None]
    whole = len(known) == len(plan.cells)
    passes = [each.passes for each in known if each.passes is not None]
    pace = pace_of(_alike(plan, stores, (*_SAME_MODEL, "data.max_eval_examples")))
    hours = _hours(space, plan, stores, efforts, pace)
    return Cost(
        updates=sum(each.updates for each in known) if whole else None,
        passes=sum(passes) if len(passes) == len(plan.cells) else None,
        device_hours=None if isinstance(hours, str) else hours[0],
        device_hours_left=None if isinstance(hours, str) else hours[1],
        cells=0 if pace is None else pace.cells,
        is_most=not space.search.runs_all,
        why_not=hours if isinstance(hours, str) else "",
    )


def _hours(
    space: Space,
    plan: Plan,
    stores: Sequence[Store],
    efforts: Mapping[str, Effort | None],
    pace: Pace | None,
) -> tuple[float, float] | str:
    """Device-hours of all cells and of those that are left, or why they are not known."""
    if pace is None:
        return "no finished cell of this model and task to go by"
    over = {r.cell.id for s in stores for r in (*s.cells, *s.others) if r.state is CellState.DONE}
    share = space.resources.gpu or 1.0
    whole = left = 0.0
    for cell in plan.cells:
        effort = efforts[cell.config_id]
        seconds = None if effort is None else pace.seconds(effort)
        if seconds is None:
            return "the passes of some cells cannot be told beforehand"
        whole += seconds * share / 3600
        left += 0.0 if cell.id in over else seconds * share / 3600
    return whole, left


def _first_of_configs(plan: Plan) -> list[Cell]:
    """The first cell of each, whose sections were read when twins were looked for."""
    return list({cell.config_id: cell for cell in reversed(plan.cells)}.values())


def _alike(plan: Plan, stores: Sequence[Store], names: Sequence[str]) -> list[CellResult]:
    """Finished cells, each once, that agree with a planned one in these settings."""

    def key(settings: Mapping[str, Value]) -> str:
        return repr([settings.get(name) for name in names])

    planned = {key(cell.settings) for cell in _first_of_configs(plan)}
    found = {
        each.cell.id: each
        for store in stores
        for each in (*store.cells, *store.others)
        if each.state is CellState.DONE and not each.same_as and key(each.cell.settings) in planned
    }
    return list(found.values())


def _tables(
    space: Space, cells: Sequence[CellResult], metric: Metric
) -> "list[NDArray[np.float64]]":
    """The metric of finished cells: a table of arms and seeds (or folds) for each clean arm."""
    import numpy as np

    from freelb_tune.results.statistics.comparing.folds import fold_means

    families: dict[str, dict[str, dict[Block, float]]] = {}
    for each in cells:
        values = [e.metrics[metric.name] for e in each.epochs if metric.name in e.metrics]
        if values:
            value = max(values) if space.table.select == "best_epoch" else values[-1]
            arms = families.setdefault(each.cell.clean_id or each.cell.config_id, {})
            arms.setdefault(each.cell.config_id, {})[each.cell.block] = value
    tables = []
    for arms in families.values():
        blocks = sorted({block for row in arms.values() for block in row})
        made = np.array([[row.get(block, np.nan) for block in blocks] for row in arms.values()])
        tables.append(fold_means(made, blocks) if space.folds else made)
    return tables
