"""`freelb-tune evaluate`: the kept models on a labelled file.

Room: cli.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freelb_tune.cli.options import Folder
from freelb_tune.cli.terminal import tell

if TYPE_CHECKING:
    from freelb_tune.api.evaluating import Evaluation

__all__ = ["evaluate"]


def evaluate(
    folder: Folder,
    source: Annotated[Path, typer.Option("--on", help="A file with texts and labels.")],
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let Python inside best/ run.")
    ] = False,
) -> None:
    """Score best/ and best_adversarial/ on a labelled file, with intervals."""
    from freelb_tune.api.evaluating import evaluate_file

    found = evaluate_file(folder, source, trust_remote_code=trust_remote_code, say=tell)
    print(*_lines(found), sep="\n")


def _lines(found: "Evaluation") -> list[str]:
    from freelb_tune.results.tables.metric import measure_for, score_line

    lines = []
    for each in found.models:
        arm = "clean arm" if each.cell.arm == "clean" else "adversarial"
        lines.append(f"{each.name}: cell {each.cell.id} ({arm}, seed {each.cell.seed})")
        lines += [
            f"  {score_line(measure_for(each.cell.task, name), score, each.rows)}"
            for name, score in each.scores.items()
        ]
        if each.calibration is not None:
            lines.append(f"  expected calibration error: {100 * each.calibration:.2f}")
    if found.difference is not None:
        one, measure = found.difference, measure_for(found.models[0].cell.task, found.metric)
        told, low, high = map(measure.show_difference, (one.difference, one.low, one.high))
        lines.append(
            f"best_adversarial against best, {found.metric}: {told} (95 % interval of these two "
            f"models on other rows {low} to {high}; another seed may differ by more)"
        )
    return [*lines, *([found.why] if found.why else [])]
