"""Search spaces as a Python user has them: from a file, or from a mapping.

Room: api.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from freelb_tune.adversary import load_entry_points, load_plugins
from freelb_tune.api.shipped import find_space
from freelb_tune.errors import FreeLBTuneError, counted
from freelb_tune.space import json_schema
from freelb_tune.space.checking.meant import meant
from freelb_tune.space.problems import shown
from freelb_tune.space.reading import space as reading
from freelb_tune.space.reading.document import document_of, read_document
from freelb_tune.tasks import task_metrics

__all__ = ["Space", "json_schema", "load_adversaries", "load_space", "meant"]


class Space(reading.Space):
    """A search space, checked: what `load_space` reads, and what `Space.of` makes of a mapping.

    `name` says which folder of results is its own, `task` and `seeds` what they say, `size` how
    many cells it spans at most, `to_yaml()` gives it as a file.
    """

    @classmethod
    def of(cls, content: Mapping[str, Any], overrides: Sequence[str] = ()) -> "Space":
        """A search space from a mapping with a file's keys, checked as a file is.

            Space.of({"task": "rte", "model": "roberta-base",
                      "adversary": {"adv_lr": {"grid": [0.05, 0.1]}}})

        Args:
            content: what the YAML file would say. Tuples, paths and numpy's numbers may stand in
                it. Without `name` the search is called as its task is.
            overrides: `key=value` settings that replace what it says.

        Raises:
            FreeLBTuneError: it is not right; the message lists every problem.
        """
        load_adversaries()
        return cls.read(document_of(content, overrides), tasks=task_metrics())

    def __repr__(self) -> str:
        cells = counted(self.size, "cell") + (", and their clean arms" if self.clean_arm else "")
        return f"<Space {self.name!r} on {self.task}: at most {cells}; from {self.source}>"


def load_space(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    plugins: Sequence[str] = (),
) -> Space:
    """Read a search-space file.

    Args:
        path: the YAML file, or the name of one that comes with the package, `quickstart`.
        overrides: `key=value` settings that replace the file's, `["trainer.learning_rate=3e-5"]`.
        data: a GLUE folder (`FOLDER/RTE/train.tsv`) in place of the file's `data`.
        plugins: modules, or `.py` files, that register an adversary when they are imported. What
            installed packages offer is there without them; what a file says loads nothing.

    Raises:
        FreeLBTuneError: the file or a plugin is not there or not right; the message lists every
            problem with its line, what was found and what to write instead.
    """
    if not isinstance(path, str | os.PathLike):
        raise FreeLBTuneError(
            f"expected a search-space file, got {shown(path)}; write ft.load_space('quickstart') "
            "or ft.load_space('mine.yaml')"
        )
    load_adversaries(plugins)
    document = read_document(find_space(Path(path)), overrides)
    return Space.read(document, None if data is None else Path(data), tasks=task_metrics())


def load_adversaries(plugins: Sequence[str] = ()) -> None:
    """What installed packages offer, then what the user names; never what a file says.

    Raises:
        FreeLBTuneError: a plugin is not there, or registers nothing.
    """
    load_entry_points()
    load_plugins(plugins)
