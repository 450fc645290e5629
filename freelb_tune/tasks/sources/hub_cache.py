"""Hugging Face's cache on this machine: where a repository of the Hub lies once it was fetched.

Room: tasks. By `huggingface_hub`'s own constants, which load in a moment; `datasets`, which takes
seconds, is not asked.
"""

import os
from pathlib import Path
from typing import Literal

__all__ = ["cached_commit", "repository_folder"]


def repository_folder(kind: Literal["model", "dataset"], name: str) -> Path:
    """The folder that `huggingface_hub` keeps a repository in, fetched or not."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"{kind}s--{name.replace('/', '--')}"


def cached_commit(name: str, subset: str | None, revision: str | None = None) -> str | None:
    """The commit of a dataset that the cache holds; the newest where it holds several."""
    reference = repository_folder("dataset", name) / "refs" / (revision or "main")
    if reference.is_file():
        return reference.read_text("utf-8").strip()
    if revision:
        return None
    folder = _prepared() / name.replace("/", "___")
    found = folder.glob(f"{subset or '*'}/*/*/dataset_info.json")
    newest = max(found, key=lambda path: path.parent.stat().st_mtime, default=None)
    return newest.parent.name if newest else None


def _prepared() -> Path:
    """Where `datasets` keeps what it has read, by its own rule."""
    from huggingface_hub import constants

    own = os.environ.get("HF_DATASETS_CACHE") or os.path.join(constants.HF_HOME, "datasets")
    return Path(own).expanduser()
