"""The columns of `trials.csv` and `epochs.csv`, each declared once.

Room: results. The CSV files, the data frames of the Python door and docs/columns.md are all made
from these. To add a column, write it here and run `make docs`. Values are as stored: 0.8014 for
80.14 %.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.tables.columns.column import Column, Dtype, dtype_of
from freelb_tune.space.cells.cell import Value
from freelb_tune.store import Better, CellResult, EpochRecord
from freelb_tune.tasks.definitions.registry import get_task

__all__ = [
    "Epoch",
    "Trial",
    "EPOCHS",
    "TRIALS",
    "epoch_columns",
    "epochs_of",
    "in_sections",
    "metrics_of",
    "trial_columns",
    "trials_of",
]

_SECTIONS = ("task", "model", "data", "trainer", "adversary")
CONFIG_ID = "names the configuration: every setting but the seed"
CLEAN_ID = "`config_id` of the clean arm that it is compared with"
DIFFERENCE = "mean difference from the clean arm over the same seeds"
LOW = "lower end of the difference's 95 % interval"
HIGH = "upper end of the difference's 95 % interval"
ARM = '"adversarial" or "clean"'
SETTING = "a setting by its dotted name; none where it does not apply"
_CELL_ID = "names the cell: a configuration and a seed"
_FOLD = "the fold that is its dev set, 1 for the first; none where the data has a dev set"
_STATE = (
    "waiting, done, stopped (early), failed, diverged; in a race or a verdict search also "
    '"dropped" and "spared"'
)
_PASSES = "forward and backward passes of mini-batches so far"
_PEAK = "most device memory held so far, in GiB; none on a CPU"
_UNIT = (
    'of the metrics: "fraction" (0.8014 for 80.14 %; a correlation from -1 to 1); metrics that '
    'stand "as measured", such as an error in the values\' own unit, are named after it'
)
_HELD = "most memory that the process held so far, in GiB, on a CPU; none on a GPU"


@dataclass(frozen=True)
class Trial:
    """A row of `trials.csv`: a cell with its best and last epoch; None before the first."""

    result: CellResult
    best: EpochRecord | None
    last: EpochRecord | None

    @property
    def settings(self) -> Mapping[str, Value]:
        """The cell's settings by dotted name."""
        return self.result.cell.settings

    @property
    def seconds(self) -> float | None:
        """Training and evaluation of all epochs; None before the first."""
        return round(self.result.seconds, 3) if self.result.epochs else None

    @property
    def peak_gib(self) -> float | None:
        """Most device memory of any epoch, on a CPU of the process; None where neither is known."""
        epochs = self.result.epochs
        peaks = [record.peak_gib for record in epochs if record.peak_gib is not None]
        held = [record.process_gib for record in epochs if record.process_gib is not None]
        return max(peaks or held, default=None)


class Epoch(NamedTuple):
    """A row of `epochs.csv`."""

    result: CellResult
    record: EpochRecord
    unit: str


def trials_of(cells: Iterable[CellResult], better: Better) -> list[Trial]:
    """One row per cell, in the same order."""
    return [Trial(each, each.best(better), each.last) for each in cells]


def epochs_of(cells: Iterable[CellResult]) -> list[Epoch]:
    """One row per cell and epoch, in the same order."""
    known = ((each, _unit(each)) for each in cells)
    return [Epoch(each, record, unit) for each, unit in known for record in each.epochs]


def _unit(result: CellResult) -> str:
    """The unit of the scores of a cell's task; metrics that it does not hold for are named."""
    try:
        metrics = get_task(str(result.cell.settings.get("task"))).metrics
    except FreeLBTuneError:  # a task that this installation does not know
        return "fraction"
    errors = [each.name for each in metrics if each.better == "lower"]
    if len(errors) == len(metrics):
        return "as measured"
    return f"fraction; {', '.join(errors)} as measured" if errors else "fraction"


_TRIAL: tuple[Column[Trial], ...] = (
    Column("cell_id", "string", _CELL_ID, lambda t: t.result.cell.id),
    Column("config_id", "string", CONFIG_ID, lambda t: t.result.cell.config_id),
    Column("clean_id", "string", CLEAN_ID, lambda t: t.result.cell.clean_id),
    Column("arm", "string", ARM, lambda t: t.result.cell.arm),
    Column("seed", "Int64", "the seed", lambda t: t.result.cell.seed),
    Column("fold", "Int64", _FOLD, lambda t: t.result.cell.fold),
    Column("state", "string", _STATE, lambda t: str(t.result.state)),
    Column("message", "string", "why it failed or was not run", lambda t: t.result.message),
    Column(
        "same_as",
        "string",
        "the cell that trains the same and ran for both; none for one of its own",
        lambda t: t.result.same_as and t.result.same_as.id,
    ),
    Column("epochs", "Int64", "epochs known", lambda t: len(t.result.epochs)),
    Column("steps", "Int64", "weight updates so far", lambda t: t.last and t.last.step),
    Column("passes", "Int64", _PASSES, lambda t: t.last and t.last.passes),
    Column(
        "seconds",
        "float64",
        "training and evaluation of its epochs, in seconds; other ones in each run",
        lambda t: t.seconds,
    ),
    Column(
        "peak_gib",
        "float64",
        "most device memory held, in GiB; on a CPU most memory that the process held",
        lambda t: t.peak_gib,
    ),
    Column(
        "best_epoch",
        "Int64",
        "the epoch with the best score; of equal ones the first",
        lambda t: t.best and t.best.epoch,
    ),
    Column("unit", "string", _UNIT, lambda t: _unit(t.result)),
)


def _best(name: str) -> Column[Trial]:
    meaning = "the metric after the best epoch, which is chosen on the same dev set"
    return Column(f"best_{name}", "float64", meaning, lambda t: t.best and t.best.metrics.get(name))


def _last(name: str) -> Column[Trial]:
    meaning = "the metric after the last epoch"
    return Column(f"last_{name}", "float64", meaning, lambda t: t.last and t.last.metrics.get(name))


def _setting(name: str, trials: Sequence[CellResult]) -> Column[Trial]:
    dtype = dtype_of(each.cell.settings.get(name) for each in trials)
    return Column(name, dtype, SETTING, lambda t: t.settings.get(name))


TRIALS = (*_TRIAL, _best("METRIC"), _last("METRIC"), _setting("SECTION.SETTING", ()))
"""Every column of `trials.csv`, for the reader: those for metrics and settings stand once."""


def trial_columns(
    cells: Sequence[CellResult], metrics: Sequence[str] | None = None
) -> tuple[Column[Trial], ...]:
    """The columns of `trials.csv`.

    Args:
        cells: whose settings and metrics there is a column for.
        metrics: the metrics, where the cells' epochs do not say them all; None asks the epochs.
    """
    names = metrics_of(cells) if metrics is None else metrics
    settings = in_sections(chain.from_iterable(each.cell.settings for each in cells))
    return (
        *_TRIAL,
        *(_best(name) for name in names),
        *(_last(name) for name in names),
        *(_setting(name, cells) for name in settings),
    )


_EPOCH_CELL: tuple[Column[Epoch], ...] = (
    Column("cell_id", "string", _CELL_ID, attrgetter("result.cell.id")),
    Column("config_id", "string", CONFIG_ID, attrgetter("result.cell.config_id")),
    Column("arm", "string", ARM, attrgetter("result.cell.arm")),
    Column("seed", "Int64", "the seed", attrgetter("result.cell.seed")),
    Column("fold", "Int64", _FOLD, attrgetter("result.cell.fold")),
)


def _field(name: str, dtype: Dtype, meaning: str) -> Column[Epoch]:
    """A field of `EpochRecord`."""
    return Column(name, dtype, meaning, attrgetter(f"record.{name}"))


_EPOCH_SCORE: tuple[Column[Epoch], ...] = (
    _field("epoch", "Int64", "1 for the first; a last, partial epoch counts as one"),
    _field("step", "Int64", "weight updates so far"),
    Column("unit", "string", _UNIT, attrgetter("unit")),
    _field("score", "float64", "the search's metric on the dev set"),
)
_EPOCH_HEALTH = (
    _field(
        "dev_loss", "float64", "mean loss over the dev examples, in nats, by class weights if any"
    ),
    _field("train_loss", "float64", "mean loss over the epoch's examples and passes, in nats"),
    _field("delta_ratio", "float64", "final norm of the perturbation over `max_norm`, mean"),
    _field("delta_norm", "float64", "final norm of the perturbation, in embedding units, mean"),
    _field("bound_share", "float64", "share of examples whose perturbation ends on the ball"),
    _field(
        "adv_loss_gain", "float64", "adversarial minus clean loss, in nats, where it was probed"
    ),
    _field("passes", "Int64", _PASSES),
    _field("learning_rate", "float64", "at the end of the epoch"),
    _field("micro_batch", "Int64", "largest number of examples in one forward pass"),
    _field("train_seconds", "float64", "this epoch's training, in seconds"),
    _field("eval_seconds", "float64", "this epoch's evaluation, in seconds"),
    _field("peak_gib", "float64", _PEAK),
    _field("process_gib", "float64", _HELD),
)


def _metric(name: str) -> Column[Epoch]:
    meaning = "the metric on the dev set, or on a further set, as in `mismatched.accuracy`"
    return Column(name, "float64", meaning, lambda e: e.record.metrics.get(name))


EPOCHS = (*_EPOCH_CELL, *_EPOCH_SCORE, _metric("METRIC"), *_EPOCH_HEALTH)
"""Every column of `epochs.csv`, for the reader."""


def epoch_columns(
    cells: Sequence[CellResult], metrics: Sequence[str] | None = None
) -> tuple[Column[Epoch], ...]:
    """The columns of `epochs.csv`; arguments as of `trial_columns`."""
    names = metrics_of(cells) if metrics is None else metrics
    return (*_EPOCH_CELL, *_EPOCH_SCORE, *(_metric(name) for name in names), *_EPOCH_HEALTH)


def metrics_of(cells: Iterable[CellResult]) -> list[str]:
    """Every metric that an epoch has, in the order in which the cells bring them."""
    names = (record.metrics for each in cells for record in each.epochs)
    return list(dict.fromkeys(chain.from_iterable(names)))


def in_sections(names: Iterable[str]) -> list[str]:
    """The distinct settings, section by section."""
    known = {section: place for place, section in enumerate(_SECTIONS)}
    distinct = dict.fromkeys(names)
    return sorted(distinct, key=lambda name: known.get(name.partition(".")[0], len(known)))
