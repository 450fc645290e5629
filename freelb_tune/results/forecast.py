"""What `plan` says before the money is spent: what the search could show, and what it costs.

Room: results. A space, its plan and the results so far in; sentences out. Without numpy until a
power is asked for, and never pandas, torch or Ray.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.prior import PRIOR_WEIGHT
from freelb_tune.results.workload import Effort, effort_of, pace_of
from freelb_tune.space import Cell, Plan, Space
from freelb_tune.space.cell import Value
from freelb_tune.store import CellResult, CellState, Store, load_store
from freelb_tune.tasks import Metric, data_sizes, get_task

__all__ = ["foresee"]

_SAME_MODEL = ("task", "model.name", "model.revision", "model.config", "data.max_length")
_SAME_DATA = ("data.max_train_examples", "data.max_eval_examples")


def foresee(space: Space, plan: Plan, results: Path) -> list[str]:
    """Say what a search could show and what it takes, from its plan and from earlier cells.

    Args:
        space: the space.
        plan: its cells.
        results: the folder of all searches' folders; those that cannot be read are passed over.

    Raises:
        FreeLBTuneError: the data settings are wrong, or the plan cannot be searched so.
    """
    stores = _stores(results)
    metric = _metric(space)
    sizes = _Sizes()
    power = _power(space, plan, stores, metric, sizes)
    space.search.check(plan.compared, len(space.seeds))
    rule = space.search.rule(len(space.seeds))
    return [power, *([rule] if rule else []), *_cost(space, plan, stores, sizes)]


class _Sizes:
    """Examples of each cell's sets, asked once per distinct data."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int | None, int | None]] = {}

    def of(self, cell: Cell) -> tuple[int | None, int | None]:
        """Training and dev examples; None for what is not known."""
        if cell.data_fingerprint not in self._known:
            sizes = data_sizes(cell.settings)
            self._known[cell.data_fingerprint] = sizes.train, sizes.dev
        return self._known[cell.data_fingerprint]


def _stores(results: Path) -> list[Store]:
    stores = []
    for journal in sorted(results.glob("*/journal.jsonl")):
        try:
            stores.append(load_store(journal.parent))
        except FreeLBTuneError:
            continue  # another search's damage is not this plan's to say
    return stores


def _metric(space: Space) -> Metric:
    metrics = {metric.name: metric for metric in get_task(space.task).metrics}
    name = (space.search.metric or next(iter(metrics))).rpartition(".")[2]
    return metrics[name]


def _power(space: Space, plan: Plan, stores: Sequence[Store], metric: Metric, sizes: _Sizes) -> str:
    """The sentence on what differences would be seen."""
    tried = {cell.config_id for cell in plan.cells if cell.arm == "adversarial"}
    compared = {c.config_id for c in plan.cells if c.arm == "adversarial" and c.clean_id}
    if not compared:
        why = "the clean arm is switched off" if tried else "every cell is normal training"
        return f"Power: none, as {why}: nothing will be compared with normal training."
    if metric.better == "lower":
        return f"Power: not stated for {metric.name}, which is not a share of anything."
    examples = {sizes.of(cell)[1] for cell in _first_of_configs(plan)}
    if len(examples) > 1 or None in examples:
        return "Power: not stated, as the number of dev examples is not known before data is read."
    from freelb_tune.results.statistics.power import power, spread_of

    scores = _scores(space, _alike(plan, stores, _SAME_MODEL + _SAME_DATA), metric)
    freedom = sum(len(row) - 1 for row in scores)
    spread = spread_of(scores) if freedom >= PRIOR_WEIGHT else None  # less says less than the prior
    count = next(iter(examples)) or 0
    if count < 2:
        return f"Power: none, with {count} dev example."
    told = power(count, len(compared), len(space.seeds), metric=metric.name, seed_sd=spread)
    return told.sentence


def _cost(space: Space, plan: Plan, stores: Sequence[Store], sizes: _Sizes) -> list[str]:
    """Weight updates and passes, and device-hours where earlier cells say how fast they were."""
    cells = {cell.config_id: cell for cell in _first_of_configs(plan)}
    efforts = {name: effort_of(cell.settings, sizes.of(cell)[0]) for name, cell in cells.items()}
    known = [efforts[cell.config_id] for cell in plan.cells]
    most = "" if space.search.runs_all else "at most "
    lines = []
    whole = [each for each in known if each is not None]
    if len(whole) == len(known):
        text = f"Work: {most}{sum(each.updates for each in whole):,} weight updates"
        passes = [each.passes for each in whole if each.passes is not None]
        if len(passes) == len(whole):
            text += f", {sum(passes):,} forward and backward passes"
        lines.append(f"{text}.")
    return [*lines, _hours(space, plan, stores, efforts, most)]


def _hours(
    space: Space,
    plan: Plan,
    stores: Sequence[Store],
    efforts: Mapping[str, Effort | None],
    most: str,
) -> str:
    alike = _alike(plan, stores, (*_SAME_MODEL, "data.max_eval_examples"))
    pace = pace_of(alike)
    if pace is None:
        return "Estimated cost: not known: no finished cell of this model and task to go by."
    over = {r.cell.id for s in stores for r in (*s.cells, *s.others) if r.state is CellState.DONE}
    share = space.resources.gpu or 1.0
    whole = left = 0.0
    for cell in plan.cells:
        effort = efforts[cell.config_id]
        seconds = None if effort is None else pace.seconds(effort)
        if seconds is None:
            return "Estimated cost: not known: the passes of some cells cannot be told beforehand."
        whole += seconds * share / 3600
        left += 0.0 if cell.id in over else seconds * share / 3600
    rest = "" if left == whole else f", {left:.2g} of them still to come"
    return (
        f"Estimated cost: {most}{whole:.2g} device-hours{rest} (as fast as "
        f"{pace.cells:,} finished cell{'s' * (pace.cells != 1)} of this model and task)."
    )


def _first_of_configs(plan: Plan) -> list[Cell]:
    return list({cell.config_id: cell for cell in plan.cells}.values())


def _alike(plan: Plan, stores: Sequence[Store], names: Sequence[str]) -> list[CellResult]:
    """Finished cells, each once, that agree with a planned one in these settings."""

    def key(settings: Mapping[str, Value]) -> str:
        return repr([settings.get(name) for name in names])

    planned = {key(cell.settings) for cell in _first_of_configs(plan)}
    found = {
        each.cell.id: each
        for store in stores
        for each in (*store.cells, *store.others)
        if each.state is CellState.DONE and key(each.cell.settings) in planned
    }
    return list(found.values())


def _scores(space: Space, cells: Sequence[CellResult], metric: Metric) -> list[list[float]]:
    """The metric of each finished seed, a list per configuration."""
    rows: dict[str, list[float]] = {}
    for each in cells:
        values = [e.metrics[metric.name] for e in each.epochs if metric.name in e.metrics]
        if values:
            value = max(values) if space.table.select == "best_epoch" else values[-1]
            rows.setdefault(each.cell.config_id, []).append(value)
    return list(rows.values())
