"""Everything a trial needs, made ready once by the driver: tokens, model files, number of epochs.

Room: training.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.progress import waiting
from freelb_tune.space.cells.cell import Cell
from freelb_tune.store import TextLengths
from freelb_tune.tasks.class_weights import check_loss, class_weights
from freelb_tune.training.inputs.arguments import check_arguments
from freelb_tune.training.inputs.head import find_head
from freelb_tune.training.inputs.launcher import no_launcher
from freelb_tune.training.inputs.model_config import check_words
from freelb_tune.training.inputs.source import ModelSource, find_model, read_config
from freelb_tune.training.inputs.tokens import TokenDataset, Tokens, make_tokens
from freelb_tune.training.preparing.checks import check_cells

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """Where a cell's tokens and model lie, and how many epochs it has. Small: it is sent around."""

    tokens: Tokens
    model: ModelSource
    epochs: int
    class_weights: tuple[float, ...] | None = None

    @property
    def lengths(self) -> TextLengths:
        """How long its texts are, against the tokens that are kept."""
        return self.tokens.lengths


@no_launcher()
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
    with waiting("fetching the models", say):
        check_cells(cells, fetch=True)  # what it returns was said when the driver looked
    made: dict[str, tuple[ModelSource, Tokens]] = {}
    ready = {}
    for cell in cells:
        model = cell.model.model_copy(update={"adapter": None})  # the files are the same
        key = repr(replace(cell.inputs, model=model))
        if key not in made:
            source = find_model(cell.model, fetch=True)
            assert source is not None  # fetched
            say(f"reading {cell.task} and tokenising it for {source.name}")
            made[key] = source, make_tokens(cell, source, cache, say)
            check_words(source, made[key][1].vocabulary)
            _tell_head(source, made[key][1], say)
            if made[key][1].lengths.sentence:
                say(str(made[key][1].lengths.sentence))
        source, tokens = made[key]
        _check_batch(cell, tokens)
        check_loss(cell, tokens.labels or ())
        epochs = cell.trainer.epochs(tokens.sizes["train"])
        ready[cell.id] = Prepared(tokens, source, epochs, _class_weights(cell, tokens))
    for sentence in dict.fromkeys(map(_weights_sentence, ready.values())):
        if sentence:
            say(sentence)
    return ready


def _class_weights(cell: Cell, tokens: Tokens) -> tuple[float, ...] | None:
    asked = cell.loss.class_weights
    if asked is None:
        return None
    numbers = TokenDataset(tokens.folder / "train").labels
    return class_weights(cell.task, tokens.labels or (), asked, numbers)


def _weights_sentence(ready: Prepared) -> str:
    if ready.class_weights is None:
        return ""
    pairs = zip(ready.tokens.labels or (), ready.class_weights, strict=True)
    told = [f"{label} {weight:.4g}" for label, weight in pairs]
    return f"class weights: {', '.join(told[:20])}{', ...' if len(told) > 20 else ''}"


def _tell_head(source: ModelSource, tokens: Tokens, say: Callable[[str], None]) -> None:
    if source.folder is not None and "architectures" in (config := read_config(source)):
        head = find_head(config, tokens.labels or (), source.name)
        if head is not None:
            say(head.told)


def _check_batch(cell: Cell, tokens: Tokens) -> None:
    examples = tokens.sizes["train"]
    if not cell.trainer.batches_per_epoch(examples):
        raise FreeLBTuneError(
            f"trainer.dataloader_drop_last: {examples} training examples make no whole batch of "
            f"{cell.trainer.batch_size}, so that nothing would be trained on; take it out"
        )
