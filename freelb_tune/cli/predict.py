"""`freelb-tune predict`: the test sets, in the GLUE server's files.

Room: cli.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import Folders
from freelb_tune.errors import FreeLBTuneError

__all__ = ["predict"]


def predict(
    folders: Folders,
    data: Annotated[
        Path | None, typer.Option("--data", help="A GLUE folder with the test files.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path("submission"),
    zipped: Annotated[
        bool, typer.Option("--zip", help="Also write submission.zip for the GLUE server.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--input", help="A file to predict, in place of the test sets.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--output", help="Its columns and the answers (.csv, .jsonl).")
    ] = None,
    adversarial: Annotated[
        bool, typer.Option("--adversarial", help="With --input: use best_adversarial/.")
    ] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let Python inside best/ run.")
    ] = False,
) -> None:
    """Predict the test sets for the GLUE server, or any file: --input new.csv --output out.csv."""
    if source is not None or target is not None or adversarial:
        return _file(folders, source, target, adversarial=adversarial, trust=trust_remote_code)
    from freelb_tune.training.prediction import predict_test
    from freelb_tune.training.submission import check_folders, write_predictions, write_submission

    check_folders(folders, zipped=zipped)
    several = []
    for folder in folders:
        several.append(predict_test(folder, data, trust_remote_code=trust_remote_code))
        print(f"{folder}: predicted with cell {several[-1].cell_id}", file=sys.stderr)
        for path in write_predictions(several[-1], out):
            print(path)
    if zipped:
        path, absent = write_submission(several, out)
        print(path)
        if absent:
            print(f"{path} lacks {', '.join(absent)}", file=sys.stderr)
    return None


def _file(
    folders: list[Path],
    source: Path | None,
    target: Path | None,
    *,
    adversarial: bool,
    trust: bool,
) -> None:
    from freelb_tune.training.texts import predict_file

    if source is None or target is None or len(folders) != 1:
        raise FreeLBTuneError(
            "predict: write one results folder with --input FILE and --output FILE"
        )
    cell, labelled, scores = predict_file(
        folders[0], source, target, adversarial=adversarial, trust_remote_code=trust
    )
    for name, score in scores.items():
        interval = f"95 % interval {score.low:.4f} to {score.high:.4f}"
        print(f"{name}: {score.value:.4f} ({interval}, {labelled} labelled rows)")
    print(f"{target}: written with cell {cell.id}", file=sys.stderr)
