"""What is asked of each distinct model before anything trains, with no weights read and no data.

Room: training. A model is looked at small, in its own class.
"""

from functools import partial
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForSequenceClassification

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.tasks import Task
from freelb_tune.training.inputs.adapter import merged, small_adapted
from freelb_tune.training.inputs.model import head_fields
from freelb_tune.training.inputs.model_config import UNBUILT, check_config, own_config, short
from freelb_tune.training.inputs.positions import bare_model, position_room, word_rows
from freelb_tune.training.inputs.source import ModelSource
from freelb_tune.training.inputs.tokenizer import source_tokenizer
from freelb_tune.training.passes.lookup import input_embeddings
from freelb_tune.training.probing.at_rest import batch_of
from freelb_tune.training.probing.paths import Paths, Unseen, aside, probe
from freelb_tune.training.probing.small_models import Build, small_models

__all__ = ["Look", "check_kept", "look_at", "room_for"]


class Look(NamedTuple):
    """What is known of a model.

    Attributes:
        build: makes one of a config.
        config: its own, with the task's head.
        paths: which of the faster paths are right for it.
        room: the most tokens that it has positions for; None where nothing says.
        fixed_words: whether its adapter leaves its words' embeddings as they are.
    """

    build: Build
    config: Any
    paths: Paths
    room: int | None
    fixed_words: bool = False


_LOOKS: dict[str, Look] = {}


def look_at(source: ModelSource, task: Task, adapter: dict[str, Any] | None = None) -> Look:
    """Look at a model, once per process.

    Raises:
        FreeLBTuneError: it cannot be trained as `Trainer` would train it, or its tokenizer knows
            words that it has no rows for.
    """
    key = repr((source, task.kind, task.labels, adapter))
    if key not in _LOOKS:
        check_config(source)
        try:
            config = own_config(source)
        except UNBUILT as err:
            raise FreeLBTuneError(f"model: {source.name}: {short(err)}") from err
        _check_words(source, config)
        _set_head(config, task)
        build: Build = partial(
            AutoModelForSequenceClassification.from_config,
            dtype=torch.float32,
            trust_remote_code=source.trust_remote_code,
        )
        if adapter:
            look_at(source, task)  # what is wrong without it is not its fault
            build = small_adapted(build, adapter)
        try:
            if (whole := bare_model(source)) is not None:
                input_embeddings(whole)  # or its refusal
            paths, _ = probe(build, config, own_loss=True)
        except (Unseen, FreeLBTuneError) as err:
            if adapter:
                said = str(err)
                where = "" if said.startswith("model.adapter") else "model.adapter: "
                raise FreeLBTuneError(f"{where}{said}") from err
            where = "model.config" if source.folder is None else f"model: {source.name}"
            raise FreeLBTuneError(f"{where}: {err}") from err
        words = adapter is not None and _leaves_words(build, config)
        _LOOKS[key] = Look(build, config, paths, position_room(source), words)
    return _LOOKS[key]


def _check_words(source: ModelSource, config: Any) -> None:
    """Have the config pad as its tokenizer does, which may know no word that it has no row for."""
    if source.folder is None:
        config.pad_token_id = (source.config or {}).get("pad_token_id", 0)
        return
    tokenizer = source_tokenizer(source)
    config.pad_token_id = tokenizer.pad_token_id
    words, rows = len(tokenizer), word_rows(source)
    if rows is not None and words > rows:
        raise FreeLBTuneError(
            f"model: the tokenizer of {source.name!r} knows {words} words, and the model has "
            f"embeddings for {rows}; load the model, call "
            f"model.resize_token_embeddings({words}), and save it with its tokenizer"
        )


def _set_head(config: Any, task: Task) -> None:
    """The task's head in place of the checkpoint's own, as `build_model` has it."""
    labels = task.labels or tuple(map(str, range(max(2, config.num_labels))))
    head = head_fields(None if task.kind == "regression" else labels, task.kind)
    for name, value in head.items():
        setattr(config, name, value)


def _leaves_words(build: Build, config: Any) -> bool:
    with aside():
        model = next((model for model, _ in small_models(build, config)), None)
    if model is None:
        return False
    return not any(weight.requires_grad for weight in input_embeddings(model).parameters())


def check_kept(cell: Cell, source: ModelSource, look: Look) -> None:
    """Refuse an adapter that could not be kept as asked, before anything trains for it."""
    if cell.run.keep_adapter == "alone":
        if source.folder is None:
            raise FreeLBTuneError(
                f"run.keep_adapter: alone: {source.name!r} has random weights, which no file has "
                "for the adapter to be laid over; write merged"
            )
        return
    with aside():
        torch.manual_seed(0)
        model = next((model for model, _ in small_models(look.build, look.config)), None)
        try:
            if model is not None:
                merged(model)
        except (*UNBUILT, NotImplementedError) as err:
            kind = (cell.model.adapted or {}).get("type")
            raise FreeLBTuneError(
                f"model.adapter: {kind} cannot be merged into the model's weights ({short(err)}); "
                "write run: {keep_adapter: alone}"
            ) from err


def room_for(length: int, look: Look) -> int | None:
    """The most tokens that a model takes; one without a table of positions is tried with more."""
    said = [look.config.to_dict().get(name) for name in ("max_position_embeddings", "n_positions")]
    room = min((n for n in said if isinstance(n, int)), default=None)
    if look.room is not None or room is None or length <= room:
        return look.room
    with aside(), torch.no_grad():
        torch.manual_seed(0)
        model, _ = next(small_models(look.build, look.config))
        ids = batch_of(model)["input_ids"][:1, :1].expand(1, length)
        try:
            model.eval()(input_ids=ids)
        except UNBUILT:
            return room
    return None
