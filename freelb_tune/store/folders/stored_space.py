"""The search space of a results folder, `space.yaml`, as those who make tables ask for it.

Room: store. The file may be somebody else's: what is asked for has the types of a search space.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from freelb_tune.errors import DamagedError
from freelb_tune.space.checking.checks import read_shape
from freelb_tune.space.checking.refusal import Refusal
from freelb_tune.space.settings.sections import ResourcesConfig, TableConfig, VerdictConfig
from freelb_tune.store.disk.files import read_file

__all__ = ["read_space"]


class _Search(BaseModel):
    model_config = ConfigDict(strict=True, defer_build=True)

    metric: str | None = None
    algorithm: str | None = None
    margin: float | None = None


class _Table(TableConfig):
    model_config = ConfigDict(extra="ignore", defer_build=True)


class _Resources(ResourcesConfig):
    model_config = ConfigDict(extra="ignore", defer_build=True)


class _Verdict(VerdictConfig):
    model_config = ConfigDict(extra="ignore", defer_build=True)


class _Space(BaseModel):
    model_config = ConfigDict(strict=True, defer_build=True)

    search: _Search | None = None
    table: _Table | None = None
    verdict: _Verdict | None = None
    resources: _Resources | None = None
    tie: list[dict[str, Any]] | None = None


def read_space(path: Path) -> dict[str, Any]:
    """The space as plain mappings; empty where the file is gone.

    Raises:
        DamagedError: it is no YAML, or `search`, `table`, `verdict`, `resources` or `tie` is not a
            space's.
        FreeLBTuneError: it is a link, or cannot be read.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(read_file(path).decode("utf-8"))
        content = content if isinstance(content, dict) else {}
        read_shape(_Space, content)
    except FileNotFoundError:
        return {}
    except (YAMLError, ValueError, RecursionError) as err:  # ValueError: a Refusal, or no UTF-8
        raise DamagedError(
            f"{path}: is damaged ({_said(err)}); restore it from a copy, or run the search's "
            "command again, which writes it"
        ) from err
    return content


def _said(err: Exception) -> str:
    return str(err) if isinstance(err, Refusal) else " ".join(str(err).split())[:240]
