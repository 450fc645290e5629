"""`freelb-tune predict`: the test sets, in the GLUE server's files.

Room: cli.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import Folders

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
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let Python inside best/ run.")
    ] = False,
) -> None:
    """Predict the test sets with the selected models, in the files that the GLUE server takes."""
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
