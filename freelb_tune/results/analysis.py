"""The step from what is stored to what it shows: a store's finished cells, put to the statistics.

Room: results. Loads numpy and scipy, so it is imported where a verdict is asked for, not before.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from freelb_tune.errors import DamagedError, counted
from freelb_tune.results.statistics.answers.answered import answered_verdict
from freelb_tune.results.statistics.answers.verdict import verdict
from freelb_tune.results.statistics.comparing.arms import Arm, Run
from freelb_tune.results.statistics.comparing.comparison import Verdict
from freelb_tune.results.statistics.comparing.folds import overlap_of
from freelb_tune.results.tables.contents.building import build_table, with_verdict
from freelb_tune.results.tables.contents.configuration import Configuration, Select
from freelb_tune.results.tables.contents.metric import Measure
from freelb_tune.results.tables.contents.pending import pending
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.contents.twins import contenders, identical_predictions, with_twins
from freelb_tune.results.tables.formats.sentences import configuration_name
from freelb_tune.space.cells.cell import Block
from freelb_tune.space.settings.also import TEST
from freelb_tune.store import CellResult, CellState, Store, look_number
from freelb_tune.tasks import compute_metrics, get_task

__all__ = ["analyse", "arms_of", "judge"]

_NAMED = 5  # most cells without predictions that the footer names


@dataclass(frozen=True)
class Lost:
    """A finished cell without its predictions.

    Attributes:
        cell: its id.
        why: what is wrong with their file; None where none was kept.
    """

    cell: str
    why: str | None


def analyse(store: Store) -> Table:
    """The table of a search with its verdict.

    Raises:
        FreeLBTuneError: as `judge`.
    """
    table = build_table(store)
    return with_verdict(table, judge(store, table))


def judge(store: Store, table: Table) -> Verdict:
    """What a search has shown, at the epochs that its table selects.

    Args:
        store: what is known.
        table: the table of it, which need have no verdict.

    Returns:
        The verdict; before the planned end one that says when there will be one, and nothing else.

    Raises:
        FreeLBTuneError: dev sets differ under one name.
    """
    early = pending(store)
    if early is not None:
        return early
    lost: list[Lost] = []
    arms, measure = arms_of(store, table, lost), table.measure
    if table.by_rounds:
        told = answered_verdict(
            arms, measure.name, measure.better, store.answered, look_number(store)
        )
    else:
        margin = (store.space.get("verdict") or {}).get("margin")
        margin = None if margin is None else margin / measure.scale
        told = verdict(arms, measure.name, measure.better, margin, look_number(store))
    notes = [*_without(lost, arms), *identical_predictions(arms, table)]
    return with_twins(replace(told, footnotes=(*told.footnotes, *notes)), table)


def _without(lost: Sequence[Lost], arms: Sequence[Arm]) -> Iterator[str]:
    """Whose predictions are lost; nothing is where none were kept at all."""
    kept = any(run.logits is not None for arm in arms for run in arm.runs)
    told = [each for each in lost if kept or each.why]
    for each in told[:_NAMED]:
        yield f"Without the predictions of cell {each.cell}: {each.why or 'there are none'}."
    if len(told) > _NAMED:
        yield f"Without the predictions of {counted(len(told) - _NAMED, 'further cell')}."


def arms_of(
    store: Store,
    table: Table,
    lost: list[Lost],
    of: str = "dev",
    only: Container[str | None] | None = None,
) -> list[Arm]:
    """Every configuration of the latest plan with its finished runs, clean arms first.

    One that trains the same as another is that one, and no arm of its own.

    Args:
        store: what is known.
        table: the table of it.
        lost: is given the finished cells without predictions; such a run counts by its score.
        of: the evaluation set; a run without a score on it is left out.
        only: these configurations; None for all.
    """
    cells = {(each.cell.config_id, each.cell.block): each for each in store.cells}
    return [
        _arm(config, cells, table, lost, of)
        for config in contenders(table)
        if only is None or config.config_id in only
    ]


def _arm(
    config: Configuration,
    cells: Mapping[tuple[str, Block], CellResult],
    table: Table,
    lost: list[Lost],
    of: str,
) -> Arm:
    """One configuration with its finished runs."""
    done = [each.block for each in config.seeds if each.state is CellState.DONE]
    select, measure = table.layout.select, table.measure
    found = [_run(cells[config.config_id, each], select, measure, lost, of) for each in done]
    runs = tuple(run for run in found if run is not None)
    return Arm(
        config_id=config.config_id,
        clean_id=config.clean_id,
        name=configuration_name(config, table),
        planned=config.planned,
        runs=runs,
        failed=config.count(CellState.FAILED, CellState.DIVERGED),
        overlap=_overlap(config, runs),
    )


def _overlap(config: Configuration, runs: Sequence[Run]) -> float:
    """What folds share, by their examples; 0 where there are no folds."""
    folds, most = (config.settings.get(f"data.{n}") for n in ("folds", "max_train_examples"))
    if not isinstance(folds, int):
        return 0.0
    tested = max((len(run.labels) for run in runs if run.labels is not None), default=0)
    return overlap_of(folds, tested, most if isinstance(most, int) else None)


def _run(
    result: CellResult, select: Select, measure: Measure, lost: list[Lost], of: str
) -> Run | None:
    """One finished cell at the epoch that counts on dev; None without a score on the set."""
    record = result.best(measure.better) if select == "best_epoch" else result.last
    assert record is not None  # a finished cell without epochs is read as waiting
    score = record.score if of == "dev" else record.metrics.get(f"{of}.{measure.name}")
    if score is None and of != TEST:
        return None
    logits = labels = None
    try:
        found = result.predictions(record.epoch, of)
        if found is not None:
            logits, labels = found
        elif of == "dev":
            lost.append(Lost(result.cell.id, None))
    except DamagedError as err:
        lost.append(Lost(result.cell.id, str(err).replace(f"{result.folder}/", "")))
    if of == TEST and logits is not None and labels is not None:
        task = get_task(result.cell.task)
        score = compute_metrics(task, logits, labels).get(measure.name)
    return (
        None
        if score is None
        else Run(result.cell.seed, score, logits, labels, result.cell.fold or 0)
    )
