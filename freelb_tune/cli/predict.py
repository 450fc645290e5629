"""`freelb-tune predict`: the test sets, in the GLUE server's files.

Room: cli.
"""

from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import Folders, TrustBest
from freelb_tune.cli.terminal import tell

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
    trust_remote_code: TrustBest = False,
) -> None:
    """Predict the test sets for the GLUE server, or any file: --input new.csv --output out.csv."""
    from freelb_tune.api.predicting import predict_file, predict_tests

    trust = trust_remote_code
    if source is not None or target is not None or adversarial:
        lines = predict_file(
            folders, source, target, adversarial=adversarial, trust_remote_code=trust, say=tell
        )
        return print(*lines, sep="\n", end="\n" if lines else "")
    files = predict_tests(folders, out, data=data, zipped=zipped, trust_remote_code=trust, say=tell)
    return print(*files, sep="\n")
