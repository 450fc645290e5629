"""Options and arguments that several commands take, each said once.

Room: cli.
"""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Cluster",
    "Data",
    "Folder",
    "Folders",
    "Json",
    "Overrides",
    "Plugins",
    "Results",
    "RetryFailed",
    "Shard",
    "SpaceFile",
    "TrustBest",
    "Yes",
]

SpaceFile = Annotated[
    Path,
    typer.Option("--space", help="The search-space file (YAML), or a name that `spaces` lists."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the file's."),
]
Results = Annotated[
    Path,
    typer.Option(
        "--results", help="Folder (or s3://...) of results; this search goes to DIR/NAME."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="A GLUE folder (DIR/RTE/train.tsv ...) in place of `data`."),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option("--plugin", help="A Python module that registers an adversary. Repeatable."),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="I/N", help="Only part I of N, in a folder of its own, for `merge`."
    ),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Run failed and diverged cells again.")
]
Cluster = Annotated[
    str, typer.Option("--address", help="A Ray cluster's dashboard, http://HOST:8265.")
]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer yes to every question.")]
TrustBest = Annotated[
    bool, typer.Option("--trust-remote-code", help="Let Python inside best/ run.")
]
Folder = Annotated[Path, typer.Argument(help="A search's folder, results/NAME, or its URI.")]
Folders = Annotated[
    list[Path],
    typer.Argument(metavar="RESULTS...", help="Searches' folders, results/NAME, or their URIs."),
]
