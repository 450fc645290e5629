"""Tokenised data: made once per (data, tokenizer), in an Arrow cache that all trials share.

Room: training. What a trial reads is memory-mapped; no process copies the data set.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from freelb_tune.progress import Progress, waiting
from freelb_tune.space.cells.cell import Cell, digest
from freelb_tune.store import TextLengths, set_lengths
from freelb_tune.store.disk.files import disk_error
from freelb_tune.tasks.fingerprint import test_fingerprint
from freelb_tune.training.inputs.positions import position_room
from freelb_tune.training.inputs.source import ModelSource
from freelb_tune.training.inputs.tokenizer import made_tokenizer, source_tokenizer

__all__ = [
    "REAL_TOKENS",
    "PadCollator",
    "TokenDataset",
    "Tokens",
    "load_tokens",
    "make_tokens",
]

TOKENS_VERSION = 3
_CHUNK = 1000  # texts that are tokenised at a time, uncut


@dataclass(frozen=True)
class Tokens:
    """A tokenised task on disk.

    Attributes:
        folder: `train/`, one folder per evaluation set, `tokenizer/` and `tokens.json`.
        labels: names of the classes or labels in the order of their ids; None for regression.
        kind: the task's.
        sizes: examples of each set, `train` first.
        vocabulary: number of token ids.
        pad_id: the id of padding.
        lengths: how long the texts are, whole.
        test: what `data.test` holds, by its fingerprint; empty for none.
    """

    folder: Path
    labels: list[str] | None
    kind: str
    sizes: dict[str, int]
    vocabulary: int
    pad_id: int
    lengths: TextLengths
    test: str = ""

    @property
    def evaluation(self) -> list[str]:
        """Names of the evaluation sets, the selecting one first."""
        return [name for name in self.sizes if name != "train"]


class TokenDataset(Dataset[dict[str, Any]]):
    """Rows of a tokenised Arrow file, as views into the memory-mapped columns.

    Attributes:
        labels: class numbers or values, `(N,)`; 0 or 1 for each of several labels, `(N, C)`.
        lengths: tokens of each row, `(N,)`.
    """

    def __init__(self, folder: Path) -> None:
        from datasets import load_from_disk

        table = load_from_disk(str(folder)).data.table
        self._columns = {}
        for name in table.column_names:
            column = table.column(name).combine_chunks()
            if name == "label":
                width = getattr(column.type, "list_size", None)  # several labels
                flat = column.flatten() if width else column
                values = flat.to_numpy(zero_copy_only=False)
                self.labels = values.reshape(-1, width) if width else values
            else:
                offsets = column.offsets.to_numpy()
                self._columns[name] = column.values.to_numpy()
                self._offsets = offsets
        self.lengths = np.diff(self._offsets)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> dict[str, Any]:
        start, end = self._offsets[row], self._offsets[row + 1]
        item: dict[str, Any] = {name: values[start:end] for name, values in self._columns.items()}
        item["labels"] = self.labels[row]
        return item


REAL_TOKENS = "real_tokens"
"""In a batch: how many of its tokens are no padding; no model is given it."""


class PadCollator:
    """Pads a batch to its longest example.

    Args:
        pads: what each column is padded with.
        left: pad on the left.
        counted: tell how many tokens are real, as `REAL_TOKENS`: on a GPU, to count them in the
            batch is to wait for the device. Not with padding on the left.
    """

    def __init__(self, pads: Mapping[str, int], left: bool = False, counted: bool = False) -> None:
        self._pads, self._left, self._counted = dict(pads), left, counted

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Tensors `(B, T)` for each column, and `labels`, where the rows have them, `(B, ...)`."""
        width = max(len(row["input_ids"]) for row in rows)
        batch: dict[str, Any] = {}
        for name, pad in self._pads.items():
            if name not in rows[0]:
                continue
            whole = np.full((len(rows), width), pad, dtype=np.int64)
            for i, row in enumerate(rows):
                length = len(row[name])
                whole[i, width - length if self._left else 0 :][:length] = row[name]
            batch[name] = torch.from_numpy(whole)
        if "labels" in rows[0]:
            batch["labels"] = torch.as_tensor(np.asarray([row["labels"] for row in rows]))
        if self._counted and not self._left:
            batch[REAL_TOKENS] = sum(len(row["input_ids"]) for row in rows)
        return batch


def load_tokens(folder: Path) -> Tokens:
    """The tokens that `make_tokens` left in a folder."""
    facts = json.loads((folder / "tokens.json").read_text("utf-8"))
    facts["lengths"] = TextLengths.from_json(facts["lengths"])
    return Tokens(folder=folder, **facts)


def make_tokens(
    cell: Cell, source: ModelSource, cache: Path, say: Callable[[str], None] = lambda _: None
) -> Tokens:
    """Tokenise a cell's data unless the cache has it; `say` is told how far a long step is.

    Raises:
        FreeLBTuneError: the data cannot be read, the tokenizer has no padding token, or the
            length asked for is more than the model has positions for.
    """
    import transformers

    length = cell.data.max_length
    content = {
        "data": cell.data_fingerprint,
        "tokenizer": source.fingerprint,
        "max_length": length,
        "versions": [TOKENS_VERSION, transformers.__version__],
    }
    content |= {"pad_token": source.pad_token} if source.pad_token else {}
    content |= {"fold": cell.fold} if cell.fold is not None else {}
    test = test_fingerprint(cell.inputs)
    folder = cache / f"tokens-{digest(content | ({'test': test} if test else {}))}"
    if not (folder / "tokens.json").is_file():
        _make(cell, source, test, folder, say)
    return load_tokens(folder)


def _make(
    cell: Cell, source: ModelSource, test: str, folder: Path, say: Callable[[str], None]
) -> None:
    import datasets

    from freelb_tune.tasks import load_examples

    length = cell.data.max_length
    with waiting(f"reading {cell.task}", say):
        examples = load_examples(cell.task, cell.data)
    train = examples.train
    tokenizer = made_tokenizer(train) if source.folder is None else source_tokenizer(source)
    own = tokenizer.model_max_length
    tokenizer.model_max_length = int(1e9)  # `data.max_length` rules; kept from warning
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    datasets.disable_progress_bars()
    sets = {"train": examples.train, **examples.evaluation}
    facts = {
        "labels": None if examples.labels is None else list(examples.labels),
        "kind": examples.kind,
        "sizes": {name: len(rows) for name, rows in sets.items()},
        "vocabulary": len(tokenizer),
        "pad_id": tokenizer.pad_token_id,
    } | ({"test": test} if test else {})
    tokenised = {}
    for name, rows in sets.items():
        progress = Progress(("tokenised", f"texts of {name}"), len(rows), say)
        tokenised[name] = _tokenise(tokenizer, rows, length, progress)
    counts = {name: _whole(tokenizer, sets[name], tokenised[name], length) for name in sets}
    whole = {name: set_lengths(tokens, length) for name, tokens in counts.items()}
    facts["lengths"] = TextLengths(length, whole).to_json()
    try:
        for name, rows in tokenised.items():
            rows.save_to_disk(str(fresh / name))
        tokenizer.model_max_length = min(own, position_room(source) or own)
        tokenizer.save_pretrained(str(fresh / "tokenizer"))
        (fresh / "tokens.json").write_text(json.dumps(facts), "utf-8")
    except OSError as err:
        raise disk_error("keep tokenised data here", folder.parent, err) from err
    try:
        fresh.rename(folder)
    except OSError:  # another driver made the same in the meantime
        shutil.rmtree(fresh, ignore_errors=True)


def _tokenise(tokenizer: Any, rows: Any, length: int, progress: Progress) -> Any:
    from datasets import Features, Sequence, Value

    pair = "text_b" in rows.column_names

    def encode(batch: Mapping[str, list[Any]]) -> dict[str, Any]:
        texts = (batch["text_a"], batch["text_b"]) if pair else (batch["text_a"],)
        encoded = dict(tokenizer(*texts, truncation=True, max_length=length))
        progress.add(len(batch["text_a"]))
        return {**encoded, "label": batch["label"]}

    names = tokenizer.model_input_names
    label = rows.features["label"]
    if hasattr(label, "names"):  # a class: its number
        label = Value("int64")
    features = Features({name: Sequence(Value("int32")) for name in names} | {"label": label})
    return rows.map(
        encode,
        batched=True,
        remove_columns=rows.column_names,
        features=features,
        keep_in_memory=True,
        load_from_cache_file=False,
        new_fingerprint=f"{rows._fingerprint}-{length}",  # else `encode` is pickled, `say` too
    )


def _whole(tokenizer: Any, rows: Any, tokenised: Any, length: int) -> Sequence[int]:
    """Tokens of each text, uncut: only those that fill the length are tokenised once more."""
    counts = [len(ids) for ids in tokenised["input_ids"]]
    full = [row for row, count in enumerate(counts) if count >= length]
    names = [name for name in ("text_a", "text_b") if name in rows.column_names]
    for start in range(0, len(full), _CHUNK):
        places = full[start : start + _CHUNK]
        texts = rows[places]
        found = tokenizer(*(texts[name] for name in names))
        for place, ids in zip(places, found["input_ids"], strict=True):
            counts[place] = len(ids)
    return counts
