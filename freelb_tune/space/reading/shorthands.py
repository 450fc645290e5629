"""A file's shorthands in their long form, with absolute paths: what the rest of the reading reads.

Room: space.
"""

import re
from pathlib import Path
from typing import Any

from freelb_tune.space.reading.document import Document
from freelb_tune.space.settings.adapters import tied_adapters
from freelb_tune.space.settings.also import with_files
from freelb_tune.space.settings.domains import is_domain

__all__ = ["MOST_SEEDS", "spelt_out"]

MOST_SEEDS = 100_000
_FILES = ("data.file", "data.train", "data.dev", "data.test", "data.advglue")
_FOLDERS = ("data.path", "model.name")


def spelt_out(document: Document, data_dir: Path | None) -> dict[str, Any]:
    """The shorthands in their long form, paths made absolute, `--data` laid over `data`."""
    content = {"name": re.sub(r"[^\w.+-]+", "_", document.name), **document.content}
    model = content.get("model")
    if isinstance(model, str) or is_domain(model):
        content["model"] = {"name": model}
    elif isinstance(model, dict) and (tie := tied_adapters(model.get("adapter"))):
        content["model"] = {name: value for name, value in model.items() if name != "adapter"}
        ties = content.get("tie") or []
        content["tie"] = [*(ties if isinstance(ties, list) else [ties]), tie]
        if (line := document.places.get("model.adapter")) is not None:
            document.places[f"tie.{len(content['tie']) - 1}"] = line
    seeds = content.get("seeds", [1])
    if isinstance(seeds, int) and not isinstance(seeds, bool) and 1 <= seeds <= MOST_SEEDS:
        content["seeds"] = list(range(1, seeds + 1))
    if data_dir is not None:
        content["data"] = {**_kept(content.get("data")), "source": "glue", "path": str(data_dir)}
    data = content.get("data")
    several = isinstance(data, dict) and isinstance(data.get("label"), list)
    if several and content.get("task") == "classification":  # a column for each label says it
        content["task"] = "multi_label_classification"
    for key in (*_FILES, *_FOLDERS):
        section, _, name = key.partition(".")
        inner = content.get(section)
        if isinstance(inner, dict) and name in inner:
            content[section] = {**inner, name: _absolute(key, inner[name])}
    data = content.get("data")
    if isinstance(data, dict) and "also" in data:
        also = with_files(data["also"], lambda file: _absolute(_FILES[0], file))
        content["data"] = {**data, "also": also}
    return content


def _kept(data: Any) -> dict[str, Any]:
    """What of `data` still holds when `--data` says where the rows are."""
    holds = ("max_train_examples", "max_eval_examples", "max_length", "advglue", "also")
    return {k: v for k, v in data.items() if k in holds} if isinstance(data, dict) else {}


def _absolute(key: str, value: Any) -> Any:
    """A local path made absolute, so that a stored cell can be run again from anywhere."""
    if is_domain(value):
        kind, body = next(iter(value.items()))
        return {kind: [_absolute(key, v) for v in body] if isinstance(body, list) else body}
    if not isinstance(value, str) or "${" in value or not value:
        return value
    path = Path(value).expanduser()
    is_there = path.is_file() if key in _FILES else path.is_dir()
    return str(path.absolute()) if is_there else value
