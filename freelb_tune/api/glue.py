"""Several tasks in one table, beside published figures.

Room: api.
"""

from collections.abc import Sequence
from pathlib import Path

from freelb_tune.api.remote import looked_in
from freelb_tune.results.glue.files import glue_markdown, write_glue
from freelb_tune.results.glue.table import GlueTable, build_glue

__all__ = ["glue", "glue_markdown", "write_glue"]


def glue(folders: Sequence[Path], *, mixed: bool = False) -> GlueTable:
    """Put searches on several GLUE tasks into one table.

    Args:
        folders: results folders, or their URIs.
        mixed: allow several models; a column says which.

    Raises:
        FreeLBTuneError: a folder is none, its task is not GLUE's, or they do not go together.
    """
    return build_glue([looked_in(folder) for folder in folders], mixed=mixed)
