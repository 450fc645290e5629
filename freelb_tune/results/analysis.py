"""The step from what is stored to what it shows: a store's finished cells, put to the statistics.

Room: results. Loads numpy and scipy, so it is imported where a verdict is asked for, not before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from freelb_tune.errors import DamagedError, counted
from freelb_tune.results.statistics.answered import answered_verdict
from freelb_tune.results.statistics.arms import Arm, Run
from freelb_tune.results.statistics.calibration import BINS, calibration_error
from freelb_tune.results.statistics.comparison import Comparison, Verdict
from freelb_tune.results.statistics.further_sets import compare_sets
from freelb_tune.results.statistics.verdict import verdict
from freelb_tune.results.tables.building import build_table, with_verdict
from freelb_tune.results.tables.configuration import Configuration, Select
from freelb_tune.results.tables.metric import Measure
from freelb_tune.results.tables.pending import pending
from freelb_tune.results.tables.robustness import OneSet, Robustness, robustness_of
from freelb_tune.results.tables.sentences import configuration_name
from freelb_tune.results.tables.table import Table
from freelb_tune.results.tables.twins import identical_predictions, with_twins
from freelb_tune.store import CellResult, CellState, Store, look_number

__all__ = ["analyse", "arms_of", "judge", "robustness"]


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
    damaged: list[str] = []
    arms, measure = arms_of(store, table, damaged), table.measure
    search, asked = (store.space.get(name) or {} for name in ("search", "verdict"))
    if search.get("algorithm") == "verdict":
        told = answered_verdict(
            arms, measure.name, measure.better, store.answered, look_number(store)
        )
    else:
        margin = asked.get("margin")
        margin = None if margin is None else margin / measure.scale
        told = verdict(arms, measure.name, measure.better, margin, look_number(store))
    notes = [f"Without the predictions of cell {each}." for each in damaged]
    notes += identical_predictions(arms, table)
    return with_twins(replace(told, footnotes=(*told.footnotes, *notes)), table)


def robustness(store: Store, table: Table) -> Robustness | None:
    """The best adversarial configuration and its clean arm on every evaluation set.

    Args:
        store: what is known.
        table: the table of it with its verdict.

    Returns:
        None as for `robustness_of`; before the planned end without anything of differences.

    Raises:
        FreeLBTuneError: sets differ under one name.
    """
    found = robustness_of(table)
    if found is None or table.verdict is None or pending(store) is not None:
        return found
    measure, arms = table.measure, {"dev": arms_of(store, table, [])}
    arms |= {name: arms_of(store, table, [], name) for name in found.sets}
    further = {name: arms[name] for name in found.sets}
    by_dev = {("dev", each.config_id): each for each in table.verdict.comparisons}
    by_rounds = table.algorithm == "verdict"
    told = {}
    if by_dev and not by_rounds:
        look = look_number(store)
        told = compare_sets(arms["dev"], further, measure.name, measure.better, look)
    rows = tuple(_one_set(row, arms[row.name], by_dev | told) for row in found.rows)
    return replace(found, rows=rows, notes=_robustness_notes(found, by_rounds))


def _one_set(
    row: OneSet, arms: Sequence[Arm], told: Mapping[tuple[str, str], Comparison]
) -> OneSet:
    """A row with what was tested, and how well both arms are calibrated."""
    runs = {arm.config_id: arm.runs for arm in arms}
    best = runs.get(row.best.config_id, ())
    clean = runs.get(row.best.clean_id or "", ())
    labels = next((run.labels for run in best if run.labels is not None), None)
    return replace(
        row,
        examples=None if labels is None else len(labels),
        comparison=told.get((row.name, row.best.config_id)),
        best_ece=_calibration(best),
        clean_ece=_calibration(clean),
    )


def _calibration(runs: Sequence[Run]) -> float | None:
    errors = [
        calibration_error(run.logits, run.labels)
        for run in runs
        if run.logits is not None and run.labels is not None
    ]
    known = [error for error in errors if error is not None]
    return fmean(known) if known and len(known) == len(runs) else None


def _robustness_notes(found: Robustness, by_rounds: bool) -> tuple[str, ...]:
    sets = counted(len(found.sets), "further set")
    tried = len(
        {entry.config.config_id for row in found.table.rows for entry in row.entries if entry}
    )
    tested = (
        "The rounds of a verdict search end by the dev set, so nothing is tested on further sets."
        if by_rounds
        else f"Adjusted p: Holm over {counted(tried, 'configuration')} on {sets}, as the one that "
        "is shown was chosen among them; on dev it is the verdict's own."
    )
    return (
        "Mean ± sample standard deviation over seeds, each at the epoch that counts on the dev "
        "set; intervals are the verdict's, each by itself.",
        tested,
        f"ECE: expected calibration error in {BINS} bins of equal width, in percent (Guo et al. "
        "2017), mean over seeds; 0 where a model is right as often as it is sure.",
    )


def arms_of(store: Store, table: Table, damaged: list[str], of: str = "dev") -> list[Arm]:
    """Every configuration of the latest plan with its finished runs, clean arms first.

    One that trains the same as another is that one, and no arm of its own.

    Args:
        store: what is known.
        table: the table of it.
        damaged: is given what is wrong with files of predictions; such a run counts by its score.
        of: the evaluation set; a run without a score on it is left out.
    """
    cells = {(each.cell.config_id, each.cell.seed): each for each in store.cells}
    tried = [entry.config for row in table.rows for entry in row.entries if entry]
    known = {config.config_id for config in tried}
    own = (config for config in tried if not config.same_as)
    configs = [*(c for c in table.clean if c.config_id not in known), *own]
    return [_arm(config, cells, table, damaged, of) for config in configs]


def _arm(
    config: Configuration,
    cells: Mapping[tuple[str, int], CellResult],
    table: Table,
    damaged: list[str],
    of: str,
) -> Arm:
    """One configuration with its finished runs."""
    done = [each.seed for each in config.seeds if each.state is CellState.DONE]
    select, measure = table.layout.select, table.measure
    runs = [_run(cells[config.config_id, seed], select, measure, damaged, of) for seed in done]
    return Arm(
        config_id=config.config_id,
        clean_id=config.clean_id,
        name=configuration_name(config, table),
        planned=config.planned,
        runs=tuple(run for run in runs if run is not None),
        failed=config.count(CellState.FAILED, CellState.DIVERGED),
    )


def _run(
    result: CellResult, select: Select, measure: Measure, damaged: list[str], of: str
) -> Run | None:
    """One finished cell at the epoch that counts on dev; None without a score on the set."""
    record = result.best(measure.better) if select == "best_epoch" else result.last
    assert record is not None  # a finished cell without epochs is read as waiting
    score = record.score if of == "dev" else record.metrics.get(f"{of}.{measure.name}")
    if score is None:
        return None
    try:
        logits, labels = result.predictions(record.epoch, of) or (None, None)
    except DamagedError as err:
        inside = str(err).replace(f"{result.folder}/", "")
        damaged.append(f"{result.cell.id}: {inside}")
        logits = labels = None
    return Run(result.cell.seed, score, logits, labels)
