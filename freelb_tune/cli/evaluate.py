"""`freelb-tune evaluate`: the kept models on a labelled file.

Room: cli.
"""

from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import Folder, TrustBest
from freelb_tune.cli.terminal import tell

__all__ = ["evaluate"]


def evaluate(
    folder: Folder,
    source: Annotated[Path, typer.Option("--on", help="A file with texts and labels.")],
    trust_remote_code: TrustBest = False,
) -> None:
    """Score best/ and best_adversarial/ on a labelled file, with intervals."""
    from freelb_tune.api.evaluating import evaluate_file

    found = evaluate_file(folder, source, trust_remote_code=trust_remote_code, say=tell)
    print(*found.lines, sep="\n")
