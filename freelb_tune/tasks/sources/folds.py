"""One file's rows cut into folds: each is the dev set of cells that are trained on the others.

Room: tasks. Rows in, `Rows` out; scikit-learn loads on use. The rows of one text are in one fold,
as a model that has learnt a text by heart is right about it. So it is the texts that are cut: those
of each label (of its first row) alike, and of real values without regard to them.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.reading.label_sets import strata
from freelb_tune.tasks.reading.rows import Rows
from freelb_tune.tasks.sources.settings import DataSettings

__all__ = ["cut_fold"]


def cut_fold(data: DataSettings, rows: Rows, names: Sequence[str]) -> tuple[Rows, Rows]:
    """What one fold is trained on, and the fold, each in the file's order.

    Args:
        data: `folds`, `fold` and `split_seed` are read.
        rows: the whole file's.
        names: of the classes in order; none where there are no classes.

    Raises:
        FreeLBTuneError: there are too few texts, of a class perhaps, or a fold has one target.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    folds = data.folds or 2
    first: dict[tuple[str, ...], int] = {}  # by text: its first row
    of = [first.setdefault(text, row) for row, text in enumerate(zip(*rows.texts, strict=True))]
    texts = list(first.values())
    labels = [rows.labels[row] for row in texts]
    _check(data, labels, names)
    kept: Sequence[Any] | None = None
    if data.task.kind != "regression":
        kept = strata(labels, 1 / folds) if data.task.kind == "multi_label" else labels
    kind = KFold if kept is None else StratifiedKFold
    cut = kind(folds, shuffle=True, random_state=data.split_seed or 0)
    parts = [{texts[at] for at in chosen} for _, chosen in cut.split(texts, kept)]
    rows_of = [[row for row, text in enumerate(of) if text in part] for part in parts]
    _check_targets(data, [rows.part(own) for own in rows_of])
    dev = {*rows_of[data.fold - 1]}
    train = rows.part([row for row in range(len(rows)) if row not in dev])
    train.notes += (_note(data, len(rows), len(rows) - len(texts)),)
    return train, rows.part(sorted(dev))


def _check(data: DataSettings, labels: Sequence[Any], names: Sequence[str]) -> None:
    """Refuse more folds than there are texts for, of all labels and of each."""
    folds, count = data.folds or 2, len(labels)
    if 2 * folds > count:
        raise FreeLBTuneError(
            f"data.folds: {data.file} has {count} different texts, and {folds} folds need two or "
            f"more each; write folds: {max(count // 2, 2)} or fewer, or add rows"
        )
    if data.task.kind != "classification":
        return
    counts = Counter(labels)
    few = [place for place in range(len(names)) if counts[place] < folds]
    if few:
        least = min(counts[place] for place in few)
        advice = f"write folds: {least}, " if least > 1 else ""
        raise FreeLBTuneError(
            f"data.folds: {data.file} has {least} different texts of the label "
            f"{names[min(few, key=counts.__getitem__)]!r}, and each of {folds} folds needs one of "
            f"each label; {advice}add rows or take these out"
        )


def _check_targets(data: DataSettings, parts: Sequence[Rows]) -> None:
    """Refuse folds by which no model can be judged: with real values that are all the same."""
    for number, part in enumerate(parts, start=1):
        if data.task.kind == "regression" and len(set(map(str, part.labels))) == 1:
            raise FreeLBTuneError(
                f"data.folds: {data.file}: every target of fold {number} is {part.labels[0]}, by "
                "which no model can be judged; write fewer folds, or another split_seed"
            )


def _note(data: DataSettings, rows: int, again: int) -> str:
    said = (
        f"{data.file}: its {rows} rows are cut into {data.folds} folds, each the dev set of cells "
        f"trained on the others (data.folds {data.folds}, seed {data.split_seed or 0})"
    )
    stay = f"; {again} have a text that stands before them, and are in its fold" if again else ""
    return said + stay
