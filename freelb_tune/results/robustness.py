"""Both arms on every evaluation set, put to the statistics once a search has come to its end.

Room: results. Loads numpy and scipy, so it is imported where a verdict is asked for, not before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from freelb_tune.errors import DamagedError, counted
from freelb_tune.results.analysis import arms_of
from freelb_tune.results.statistics.comparing.arms import Arm, Run
from freelb_tune.results.statistics.comparing.comparison import Comparison
from freelb_tune.results.statistics.comparing.further_sets import compare_sets
from freelb_tune.results.statistics.numbers.calibration import BINS, calibration_error
from freelb_tune.results.tables.contents.configuration import spread_of
from freelb_tune.results.tables.contents.pending import pending
from freelb_tune.results.tables.contents.table import Table
from freelb_tune.results.tables.robustness import OneSet, Robustness, robustness_of
from freelb_tune.space.settings.also import TEST
from freelb_tune.store import CellResult, Store, look_number
from freelb_tune.store.cells.predictions import kept_test_file

__all__ = ["robustness"]

_TESTED = (
    "test is data.test: scored after dev had chosen, for this pair alone, so that its p is "
    "adjusted for looks only."
)
_CHANGED = "data.test has changed since some of these cells were trained: it is not scored."
_ROUNDS = "The rounds of a verdict search end by the dev set, so nothing is tested on other sets."


def robustness(store: Store, table: Table) -> Robustness | None:
    """The best adversarial configuration and its clean arm on every evaluation set.

    Args:
        store: what is known.
        table: the table of it with its verdict.

    Returns:
        None as for `robustness_of`. Before the planned end there is nothing of differences in it,
        and nothing of `data.test` at all.

    Raises:
        FreeLBTuneError: sets differ under one name.
    """
    if table.verdict is None or pending(store) is not None:
        return robustness_of(table)
    found = robustness_of(table, is_tested=True)
    if found is None:
        return None
    shown = found.rows[0].best.config_id, found.rows[0].best.clean_id
    both = [arm for arm in arms_of(store, table, [], TEST, shown) if arm.runs]
    if not (found.sets or both):
        return None
    dev = arms_of(store, table, [])
    further = {name: arms_of(store, table, [], name) for name in found.sets}
    told = {("dev", each.config_id): each for each in table.verdict.comparisons}
    by_rounds, look = table.by_rounds, look_number(store)
    is_compared = bool(told) and not by_rounds
    better, metric = table.measure.better, table.measure.name
    if is_compared:
        told |= compare_sets(dev, further, metric, better, look)
    arms = {"dev": dev, **further}
    rows = [_one_set(row, arms[row.name], told) for row in found.rows]
    notes = _notes(found, by_rounds)
    if _has_changed(store, both, table):
        return replace(found, rows=tuple(rows), notes=(*notes, _CHANGED))
    if both:
        pair = [arm for arm in dev if arm.config_id in shown]
        once = compare_sets(pair, {"test": both}, metric, better, look) if is_compared else {}
        rows.append(_one_set(_test_row(found.rows[0], both), both, once))
        notes = (*notes, _TESTED)
    return replace(found, rows=tuple(rows), notes=notes)


def _test_row(dev: OneSet, both: Sequence[Arm]) -> OneSet:
    """The scores on `data.test`, which no epoch has."""
    scores = {
        arm.config_id: spread_of([run.score for run in arm.runs if run.score is not None])
        for arm in both
    }
    best, clean = (scores.get(name or "") for name in (dev.best.config_id, dev.best.clean_id))
    return OneSet("test", dev.metric, dev.best, best, clean)


def _has_changed(store: Store, both: Sequence[Arm], table: Table) -> bool:
    """Whether runs of these arms have predicted different files."""
    shown = {(arm.config_id, run.seed) for arm in both for run in arm.runs}
    cells = (each for each in store.cells if (each.cell.config_id, each.cell.seed) in shown)
    return len({_test_file(each, table) for each in cells}) > 1


def _test_file(result: CellResult, table: Table) -> str:
    is_best = table.layout.select == "best_epoch"
    record = result.best(table.measure.better) if is_best else result.last
    try:
        return kept_test_file(result.folder, record.epoch) if record else ""
    except DamagedError:
        return ""


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


def _notes(found: Robustness, by_rounds: bool) -> tuple[str, ...]:
    entries = (entry for row in found.table.rows for entry in row.entries if entry)
    each = found.table.replicate
    tried = counted(len({entry.config.config_id for entry in entries}), "configuration")
    notes = [
        f"Mean ± sample standard deviation over {each}s, each at the epoch that counts on the dev "
        "set; intervals are the verdict's, each by itself.",
        f"ECE: expected calibration error in {BINS} bins of equal width, in percent (Guo et al. "
        f"2017), mean over {each}s; 0 where a model is right as often as it is sure.",
    ]
    if by_rounds:
        notes.append(_ROUNDS)
    elif found.sets:
        notes.append(
            f"Adjusted p: Holm over {tried} on {counted(len(found.sets), 'further set')}, as the "
            "one that is shown was chosen among them; on dev it is the verdict's own."
        )
    return tuple(notes)
