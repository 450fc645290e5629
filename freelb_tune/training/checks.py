"""What is asked of each distinct model and trainer before anything trains; `plan` asks it too.

Room: training. No weights are read and no data: a model is looked at small, in its own class.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    PrinterCallback,
    default_data_collator,
)

from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.space.cells.cell import Cell
from freelb_tune.tasks import Task, get_task
from freelb_tune.training.inputs.adapter import merged, small_adapted
from freelb_tune.training.inputs.arguments import optimizer_reads, training_arguments
from freelb_tune.training.inputs.launcher import no_launcher
from freelb_tune.training.inputs.model import head_fields
from freelb_tune.training.inputs.model_config import UNBUILT, check_config, own_config, short
from freelb_tune.training.inputs.positions import bare_model, position_room, word_rows
from freelb_tune.training.inputs.source import ModelSource, find_model
from freelb_tune.training.inputs.tokenizer import source_tokenizer
from freelb_tune.training.look import batch_of
from freelb_tune.training.passes.lookup import input_embeddings
from freelb_tune.training.paths import Paths, Unseen, aside, probe
from freelb_tune.training.small import Build, small_models
from freelb_tune.training.trainer import AdversarialTrainer
from freelb_tune.training.tryout import Batch

__all__ = ["check_cells"]


class _Look(NamedTuple):
    """What is known of a model: how to build it of its config, its paths, its most tokens.

    And whether an adapter leaves its words' embeddings as they are.
    """

    build: Build
    config: Any
    paths: Paths
    room: int | None
    fixed_words: bool = False


_LOOKS: dict[str, _Look] = {}
_TRAINERS: dict[str, dict[str, bool]] = {}


@no_launcher()
def check_cells(cells: Sequence[Cell], *, fetch: bool = False) -> list[str]:
    """Look at each distinct model and trainer of some cells, once per process.

    Args:
        cells: what is to be run.
        fetch: get models that are not here from the Hub; else they are left out.

    Returns:
        A sentence for each model whose batches cannot be cut.

    Raises:
        FreeLBTuneError: a model cannot be trained as `Trainer` would train it, it has no rows for
            the tokens or words asked for, or its `Trainer` cannot be built.
    """
    said: dict[str, None] = {}
    read: dict[str, bool] = {}  # fields of the optimizer, by any of the cells
    optims: dict[str, str] = {}
    kinds = {_kind_of(cell): cell for cell in reversed(cells)}
    with tempfile.TemporaryDirectory() as scratch, _quietly():
        for kind, cell in reversed(kinds.items()):
            source = find_model(cell.model, fetch=fetch)
            if source is None:
                continue
            adapter = cell.model.adapted
            look = _look_at(source, get_task(cell.task), adapter)
            if adapter:
                _check_kept(cell, source, look)
                if look.fixed_words:
                    said[f"{adapter['type']} leaves the word embeddings of {source.name} as they "
                         "are: adversaries perturb them all the same"] = None  # fmt: skip
            length, room = cell.data.max_length, _room_for(cell.data.max_length, look)
            if room is not None and length > room:
                raise FreeLBTuneError(
                    f"data.max_length: {length} tokens are asked for and {source.name!r} has "
                    f"positions for {room}; write at most {room}"
                )
            if kind not in _TRAINERS:
                _TRAINERS[kind] = _try_trainer(cell, look, Path(scratch))
            for name, is_read in _TRAINERS[kind].items():
                read[name] = read.get(name, False) or is_read
                optims.setdefault(name, str(cell.trainer.fields.get("optim", "adamw_torch")))
            if not look.paths.trimmed:
                said[f"{source.name} takes whole batches, which is slower: {look.paths.why}"] = None
    for name, is_read in read.items():
        if not is_read:
            raise FreeLBTuneError(
                f"trainer.{name}: optim {optims[name]} does not read it; take it out"
            )
    return list(said)


def _kind_of(cell: Cell) -> str:
    """What of a cell is looked at: all of its model and trainer, but not how large a number is."""
    known = {
        name: type(value).__name__ if type(value) in (int, float) else value
        for name, value in cell.settings.items()
        if name.startswith(("model.", "trainer."))
        or name in ("run.padding_free", "run.keep_adapter")
    }
    length = cell.settings.get("data.max_length")
    return repr(
        (cell.task, cell.weights, length, cell.settings.get("adversary.method"))
        + tuple(sorted(known.items()))
    )


def _look_at(source: ModelSource, task: Task, adapter: dict[str, Any] | None = None) -> _Look:
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
            _look_at(source, task)  # what is wrong without it is not its fault
            build = small_adapted(build, adapter)
        try:
            if (whole := bare_model(source)) is not None:
                input_embeddings(whole)  # or its refusal
            paths, _ = probe(build, config, own_loss=True)
        except (Unseen, FreeLBTuneError) as err:
            where = "model.config" if source.folder is None else f"model: {source.name}"
            raise FreeLBTuneError(f"{where}: {err}") from err
        words = adapter is not None and _leaves_words(build, config)
        _LOOKS[key] = _Look(build, config, paths, position_room(source), words)
    return _LOOKS[key]


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


def _check_kept(cell: Cell, source: ModelSource, look: _Look) -> None:
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


def _room_for(length: int, look: _Look) -> int | None:
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


def _try_trainer(cell: Cell, look: _Look, folder: Path) -> dict[str, bool]:
    """Have a small model make one update on the CPU: optimizer, schedule and kernels are there.

    Returns:
        Whether the optimizer reads the fields that are for it alone, of those that are set.
    """
    wanted = cell.run.padding_free
    found: dict[str, bool] = {}
    with aside():
        torch.manual_seed(0)
        model = next((model for model, _ in small_models(look.build, look.config)), None)
        if model is None:
            return found  # too large to be tried
        try:
            trainer = AdversarialTrainer(
                model=model,
                args=training_arguments(cell, folder, for_a_look=True),
                train_dataset=_Rows(batch_of(model)),
                data_collator=default_data_collator,
                adversary=cell.adversary,
                padding_free=None if wanted == "auto" else wanted,
            )
            trainer.remove_callback(PrinterCallback)
            found = optimizer_reads(trainer.args, model, cell.trainer.fields)
            trainer.train()
        except DivergedError:
            pass  # of a random model: says nothing
        except UNBUILT as err:
            raise FreeLBTuneError(f"trainer: {short(err)} (cell {cell.id})") from err
    return found


class _Rows(Dataset[dict[str, Tensor]]):
    """A batch's examples, one by one."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(self._batch["labels"])

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {name: values[row] for name, values in self._batch.items()}


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what transformers tells of models that are looked at and never used."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
