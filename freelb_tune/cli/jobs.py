"""`freelb-tune logs`, `stop` and `fetch`: what there is to do with a search that was submitted.

Room: cli. (`status` knows jobs, too.)
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from freelb_tune.cli.options import Cluster

__all__ = ["fetch", "logs", "stop"]

Job = Annotated[str, typer.Argument(help="The job's id, as `submit` printed it.")]


def logs(job: Job, address: Cluster) -> None:
    """Print what a submitted search has printed."""
    from freelb_tune.api.jobs import log_of

    print(log_of(job, address), end="")


def stop(job: Job, address: Cluster) -> None:
    """Stop a submitted search, as Ctrl-C does; submitted again it goes on."""
    from freelb_tune.api.jobs import stop as end

    was_running = end(job, address)
    print(f"{job}: {'stopped' if was_running else 'was over already'}", file=sys.stderr)


def fetch(
    job: Job,
    address: Cluster,
    into: Annotated[
        Path | None, typer.Option("--into", help="The folder; results/NAME if not.")
    ] = None,
) -> None:
    """Bring the results of a submitted search here, without its models."""
    from freelb_tune.api.jobs import fetch as bring
    from freelb_tune.api.watching import watch

    watch(bring(job, address, into), go_on=False)
