"""Everything a trial needs, made ready once by the driver: tokens, model files, number of epochs.

Room: training.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.space.cell import Cell, Value, digest
from freelb_tune.training.inputs.arguments import check_arguments
from freelb_tune.training.inputs.model_config import check_config, check_words
from freelb_tune.training.inputs.source import ModelSource, find_model, read_config
from freelb_tune.training.inputs.tokens import Tokens, make_tokens

__all__ = ["Prepared", "epochs_of", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """Where a cell's tokens and model lie, and how many epochs it has. Small: it is sent around."""

    tokens: Tokens
    model: ModelSource
    epochs: int


def prepare(
    cells: Sequence[Cell], cache: Path, say: Callable[[str], None] = lambda _: None
) -> dict[str, Prepared]:
    """Fetch and tokenise what the cells need, each thing once.

    Args:
        cells: what is to be run.
        cache: folder of tokenised data, shared by searches.
        say: told one line about each longer step.

    Returns:
        By cell id.

    Raises:
        FreeLBTuneError: a model or data set cannot be found, read or fetched, or a setting of
            `trainer` is refused by `TrainingArguments`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        check_arguments(cells, Path(scratch))
    made: dict[str, tuple[ModelSource, Tokens]] = {}
    ready = {}
    for cell in cells:
        key = digest(
            {**cell.section("data"), **cell.section("model"), "task": cell.settings["task"]}
        )
        if key not in made:
            source = find_model(cell.settings, fetch=True)
            assert source is not None  # fetched
            check_config(source)
            _check_length(cell, source)
            say(f"reading {cell.settings['task']} and tokenising it for {source.name}")
            made[key] = source, make_tokens(cell, source, cache)
            check_words(source, made[key][1].vocabulary)
        source, tokens = made[key]
        ready[cell.id] = Prepared(tokens, source, epochs_of(cell, tokens.sizes["train"]))
    return ready


def epochs_of(cell: Cell, examples: int) -> int:
    """How many times a cell is evaluated: its epochs, a last, partial one counted as one."""

    def number(name: str, default: float) -> float:
        value: Value = cell.settings.get(f"trainer.{name}", default)
        return float(str(value))

    batches = ceil(examples / number("per_device_train_batch_size", 8))
    updates = max(1, ceil(batches / number("gradient_accumulation_steps", 1)))
    steps = number("max_steps", -1)
    return ceil(steps / updates) if steps > 0 else ceil(number("num_train_epochs", 3))


def _check_length(cell: Cell, source: ModelSource) -> None:
    length = int(str(cell.settings.get("data.max_length", 128)))
    config = read_config(source)
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or config.get("model_type") in ("deberta-v2", "modernbert"):
        return
    room = positions - 2 if config.get("model_type") in ("roberta", "xlm-roberta") else positions
    if length > room:
        raise FreeLBTuneError(
            f"data.max_length: {length} tokens are asked for and {source.name!r} has positions "
            f"for {room}; write at most {room}"
        )
