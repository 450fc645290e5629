"""`freelb-tune rerun`: one cell again, here and without Ray.

Room: cli.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from freelb_tune.cli.options import Folder, Plugins

if TYPE_CHECKING:
    from freelb_tune.api.rerunning import Again

__all__ = ["rerun"]


def rerun(
    folder: Folder,
    cell: Annotated[str, typer.Argument(help="A cell's id, or the first digits of it.")],
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    plugin: Plugins = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let the model's own Python run.")
    ] = False,
) -> None:
    """Train one cell again here, without Ray, and compare its numbers with the stored ones."""
    from freelb_tune.api.rerunning import rerun

    same = rerun(
        folder,
        cell,
        _tell,
        threads=threads,
        plugins=plugin or (),
        trust_remote_code=trust_remote_code,
    )
    if not same:
        raise typer.Exit(1)


def _tell(epoch: "Again") -> None:
    word = "as stored"
    if epoch.stored is None or epoch.differs:
        word = f"stored {epoch.stored.score}" if epoch.stored else "not stored"
    print(f"epoch {epoch.record.epoch}: {epoch.record.score} ({word})")
