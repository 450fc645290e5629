"""The selected models' predictions: of the test sets as files, or of a file of one's own.

Room: api. Loads torch when it is called.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from freelb_tune.api.remote import looked_in, with_best
from freelb_tune.errors import FreeLBTuneError

__all__ = ["predict_file", "predict_tests"]


def predict_tests(
    folders: Sequence[Path],
    out: Path,
    *,
    data: Path | None = None,
    zipped: bool = False,
    trust_remote_code: bool = False,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Predict the test sets of several searches' tasks, each with its `best/`.

    Args:
        folders: results folders, of different tasks, or their URIs.
        out: the folder for `RTE.tsv` and the like.
        data: a GLUE folder with the test files, in place of the cells' own source.
        zipped: write `submission.zip` for the GLUE server too.
        trust_remote_code: let Python inside `best/` run.
        say: told of each task, how far a long one is, and of what the zip lacks.

    Returns:
        The files, the zip last.

    Raises:
        FreeLBTuneError: a folder has no model, a task stands twice or has no test set, or the
            files cannot be written.
    """
    from freelb_tune.training.predicting.prediction import predict_test
    from freelb_tune.training.predicting.submission import (
        check_folders,
        write_predictions,
        write_submission,
    )

    folders = [looked_in(folder, with_best) for folder in folders]
    check_folders(folders, zipped=zipped)
    several, paths = [], list[Path]()
    for folder in folders:
        several.append(predict_test(folder, data, trust_remote_code=trust_remote_code, say=say))
        say(f"{folder}: predicted with cell {several[-1].cell_id}")
        paths += write_predictions(several[-1], out)
    if zipped:
        path, absent = write_submission(several, out)
        paths.append(path)
        if absent:
            say(f"{path} lacks {', '.join(absent)}")
    return paths


def predict_file(
    folders: Sequence[Path],
    source: Path | None,
    target: Path | None,
    *,
    adversarial: bool = False,
    trust_remote_code: bool = False,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Write a file again with a model's answers beside every column.

    Args:
        folders: one results folder, or its URI.
        source: the file to predict.
        target: the file to write: .csv, .tsv or .jsonl.
        adversarial: use `best_adversarial/`.
        trust_remote_code: let Python inside the model's folder run.
        say: told which cell's model it was, and how far long work is.

    Returns:
        A line for each of the task's metrics over the rows that have a label; none without any.

    Raises:
        FreeLBTuneError: there is not one folder, source and target; the folder has no model, or
            the file is not as the model reads it.
    """
    from freelb_tune.results.statistics.comparing.scores import score_rows
    from freelb_tune.results.tables.contents.metric import measure_for, score_line
    from freelb_tune.tasks import get_task
    from freelb_tune.training.predicting import texts

    if source is None or target is None or len(folders) != 1:
        raise FreeLBTuneError(
            "predict: write one results folder with --input FILE and --output FILE"
        )
    cell, logits, labels = texts.predict_file(
        looked_in(folders[0], with_best),
        source,
        target,
        adversarial=adversarial,
        trust_remote_code=trust_remote_code,
        say=say,
    )
    say(f"{target}: written with cell {cell.id}")
    scores = score_rows(get_task(cell.task), logits, labels) if len(labels) else {}
    return [
        score_line(measure_for(cell.task, name), score, len(labels))
        for name, score in scores.items()
    ]
