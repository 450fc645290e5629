"""The kept models' scores on a labelled file of one's own, and the difference between them.

Room: api. Loads torch when it is called.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.results.statistics.comparing.arms import Run
from freelb_tune.results.statistics.comparing.comparison import Interval
from freelb_tune.results.statistics.comparing.examples import one_seed_interval, paired_values
from freelb_tune.results.statistics.comparing.scores import Score, score_rows
from freelb_tune.results.statistics.numbers.calibration import calibration_error
from freelb_tune.results.tables.contents.metric import measure_for, measure_of, score_line
from freelb_tune.results.tables.contents.pending import pending
from freelb_tune.space import Cell
from freelb_tune.store import load_store
from freelb_tune.tasks import get_task

__all__ = ["Evaluated", "Evaluation", "evaluate_file"]


@dataclass(frozen=True)
class Evaluated:
    """One model's scores.

    Attributes:
        name: its folder's, `best` or `best_adversarial`.
        cell: whose model it is.
        rows: how many were scored.
        scores: every metric of the task, with its interval over other rows like these.
        calibration: expected calibration error; None without classes.
    """

    name: str
    cell: Cell
    rows: int
    scores: Mapping[str, Score]
    calibration: float | None


@dataclass(frozen=True)
class Evaluation:
    """What the kept models score on a file.

    Attributes:
        models: `best`, and `best_adversarial` where it stands beside it.
        metric: by which the search ranks.
        difference: how much better the adversarial model is by it, with the interval of these two
            models on other rows; None without two, or before the planned end.
        why: why there is no difference; empty where there is one, or one model.
    """

    models: tuple[Evaluated, ...]
    metric: str
    difference: Interval | None = None
    why: str = ""

    @property
    def lines(self) -> list[str]:
        """All of it in words, a line each, in the unit of the tables."""
        lines = []
        for each in self.models:
            arm = "clean arm" if each.cell.arm == "clean" else "adversarial"
            lines.append(f"{each.name}: cell {each.cell.id} ({arm}, seed {each.cell.seed})")
            lines += [
                f"  {score_line(measure_for(each.cell.task, name), score, each.rows)}"
                for name, score in each.scores.items()
            ]
            if each.calibration is not None:
                lines.append(f"  expected calibration error: {100 * each.calibration:.2f}")
        if self.difference is not None:
            one, measure = self.difference, measure_for(self.models[0].cell.task, self.metric)
            told, low, high = map(measure.show_difference, (one.difference, one.low, one.high))
            lines.append(
                f"best_adversarial against best, {self.metric}: {told} (95 % interval of these "
                f"two models on other rows {low} to {high}; another seed may differ by more)"
            )
        return [*lines, *([self.why] if self.why else [])]

    @property
    def records(self) -> list[dict[str, Any]]:
        """A row for each model and metric, and one for the difference."""
        found: list[dict[str, Any]] = []
        for each in self.models:
            own: dict[str, Any] = {"model": each.name, "cell_id": each.cell.id}
            own |= {"arm": each.cell.arm, "seed": each.cell.seed, "examples": each.rows}
            for name, score in each.scores.items():
                row = {"metric": name, "value": score.value, "low": score.low, "high": score.high}
                found.append(own | row)
            if each.calibration is not None:
                found.append(own | {"metric": "calibration_error", "value": each.calibration})
        if self.difference is not None:
            told: dict[str, Any] = {"model": "best_adversarial - best", "metric": self.metric}
            told |= {"examples": self.models[0].rows, "value": self.difference.difference}
            found.append(told | {"low": self.difference.low, "high": self.difference.high})
        return found


def evaluate_file(
    folder: Path,
    source: Path,
    *,
    trust_remote_code: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Score the models that a search keeps on a file with labels.

    Args:
        folder: `results/NAME`.
        source: CSV, TSV, JSON Lines or Parquet, with the columns that the training file has.
        trust_remote_code: let Python inside the models' folders run.
        say: told how far long work is.

    Raises:
        FreeLBTuneError: the folder has no model, or the file is not as it reads it.
    """
    from freelb_tune.training.predicting.texts import answer_labelled

    if not source.expanduser().is_file():
        raise FreeLBTuneError(f"{source}: no such file; evaluate scores a file with labels")
    store = load_store(folder)
    names = [n for n in ("best", "best_adversarial") if n == "best" or (folder / n).is_dir()]
    models, runs = [], []
    for name in names:
        cell, logits, labels = answer_labelled(
            folder,
            source,
            adversarial=name == "best_adversarial",
            trust_remote_code=trust_remote_code,
            say=say,
        )
        models.append(_scored(name, cell, logits, labels))
        runs.append(Run(cell.seed, None, logits, labels))
    found = Evaluation(tuple(models), measure_of(store).name)
    early = pending(store)
    if len(models) < 2:
        return found
    if early is not None:
        return Evaluation(found.models, found.metric, why=early.sentence)
    return _compared(found, runs[1], runs[0], measure_of(store).sign)


def _scored(name: str, cell: Cell, logits: Any, labels: Any) -> Evaluated:
    scores = score_rows(get_task(cell.task), logits, labels)
    return Evaluated(name, cell, len(labels), scores, calibration_error(logits, labels))


def _compared(found: Evaluation, run: Any, other: Any, sign: int) -> Evaluation:
    values = None
    if np.array_equal(run.labels, other.labels):
        values = paired_values([(run, other)], found.metric, sign)
    if values is None:
        return Evaluation(
            found.models, found.metric, why=f"{found.metric} of these rows has no paired interval."
        )
    interval = one_seed_interval(values[0], found.metric)
    return Evaluation(found.models, found.metric, interval)
