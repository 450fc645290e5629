"""`freelb-tune submit`: run a search as a job of a Ray cluster.

Room: cli.
"""

import sys
from typing import Annotated

import typer

from freelb_tune.cli.options import (
    Cluster,
    Data,
    Overrides,
    Plugins,
    RetryFailed,
    Shard,
    SpaceFile,
    Yes,
)

__all__ = ["submit"]


def submit(
    space: SpaceFile,
    address: Cluster,
    results: Annotated[
        str,
        typer.Option("--results", help="Folder that all of the cluster's machines see, or a URI."),
    ],
    overrides: Overrides = None,
    data: Data = None,
    retry_failed: RetryFailed = False,
    shard: Shard = None,
    plugin: Plugins = None,
    yes: Yes = False,
) -> None:
    """Run a search as a job of a Ray cluster, or go on with one that was stopped."""
    from freelb_tune.api.jobs import submit as send
    from freelb_tune.api.spaces import load_space

    asked = load_space(space, overrides or (), data=data, plugins=plugin or ())
    job, said = send(
        asked,
        results,
        address,
        plugins=plugin or (),
        shard=shard,
        retry_failed=retry_failed,
        yes=yes,
    )
    print(*said, sep="\n", end="\n" * bool(said), file=sys.stderr)
    print(job)
    print(
        f"freelb-tune status, logs, stop or fetch {job} --address {address}: how it stands, what "
        "it prints, to end it, to have its results here",
        file=sys.stderr,
    )
