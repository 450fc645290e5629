"""A first search space for a file that nobody has described: what can be seen of it, written down.

Room: tasks. A path in, the text of a YAML file out.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from freelb_tune.errors import FreeLBTuneError
from freelb_tune.tasks.delimited import Form, read_text
from freelb_tune.tasks.files import read_table

__all__ = ["draft_space"]

_LABELS = ("label", "category", "class", "target", "kategorie", "intent", "sentiment", "topic")
_MOST_CLASSES = 100
_DRAFT = """\
# A first search space for {file}, written by `freelb-tune new`: look it over, then
#
#     freelb-tune plan --space {name}.yaml
#     freelb-tune --space {name}.yaml
#
# Seen: {rows} rows, columns {columns}.
# Labels in {label}: {counts}.
# Half of the texts have {middle} words or fewer, 95 % have {long} or fewer.
name: {name}
task: classification
model: {model}
data:
  file: {path}
  dev_share: 0.2                       # a fifth of the rows, each label with its share
  text: {text}
  label: {label}
  max_length: {length}                      # tokens, about 1.5 a word; plan says what it cuts
{encoding}trainer:
  learning_rate: {{grid: [1e-5, 2e-5, 5e-5]}}
  num_train_epochs: 5
  per_device_train_batch_size: 16
adversary:
  method: freelb
  adv_steps: 3
  adv_lr: 0.1
  init_mag: 0.1
  max_norm: 0.2
seeds: [1, 2, 3]                       # replicates: the verdict rests on them
"""


def draft_space(path: Path, model: str | None = None) -> str:
    """Look at a file and write a search space for it.

    Args:
        path: CSV, TSV, JSON Lines, a JSON list or Parquet.
        model: what to fine-tune; None for RoBERTa, or its sibling of many languages.

    Raises:
        FreeLBTuneError: the file cannot be read, or no column of it looks like labels or texts.
    """
    encoding = _encoding(path)
    table = read_table(path, Form(encoding=encoding))
    rows = [row for _, row in table.rows]
    label = _label(table.columns, rows, path)
    text = _text([name for name in table.columns if name != label], rows, path)
    words = sorted(len(str(row[text] or "").split()) for row in rows)
    long = words[(len(words) * 95 + 99) // 100 - 1]
    counts = Counter(str(row[label]).strip() for row in rows)
    told = ", ".join(f"{name} {count}" for name, count in counts.most_common(20))
    sample = "".join(str(row[text]) for row in rows[:2000])
    is_english = sum(not letter.isascii() for letter in sample) < len(sample) / 200
    return _DRAFT.format(
        file=_line(path.name),
        name=re.sub(r"[^\w.+-]+", "_", path.name.split(".")[0]) or "own",
        rows=len(rows),
        columns=_line(", ".join(table.columns)),
        counts=_line(told),
        middle=words[len(words) // 2],
        long=long,
        model=json.dumps(model or ("roberta-base" if is_english else "xlm-roberta-base")),
        path=json.dumps(str(path), ensure_ascii=False),
        text=json.dumps(text, ensure_ascii=False),
        label=json.dumps(label, ensure_ascii=False),
        length=min(512, max(32, -(-int(1.5 * long + 2) // 32) * 32)),
        encoding=f"  encoding: {encoding}                     # not UTF-8\n" if encoding else "",
    )


def _line(text: str) -> str:
    return " ".join(text.split())


def _encoding(path: Path) -> str | None:
    """None for UTF-8; else UTF-16 by its mark, or what Windows writes in the West."""
    if path.suffix.lower() == ".parquet" or not path.is_file():
        return None
    try:
        read_text(path)
    except FreeLBTuneError as err:
        if "is not UTF-8" not in str(err):
            raise
        return "utf-16" if "UTF-16" in str(err) else "cp1252"
    return None


def _label(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], path: Path) -> str:
    """A column with a label's name, else the one with the fewest values that are not alone."""
    found = {}
    for name in columns:
        counts = Counter(str(row[name]) for row in rows if row[name] is not None)
        if 2 <= len(counts) <= min(_MOST_CLASSES, len(rows) // 2) and min(counts.values()) > 1:
            found[name] = len(counts)
    named = [name for name in found if name.lower() in _LABELS]
    if not found:
        raise FreeLBTuneError(
            f"{path}: no column looks like labels: none has from 2 to {_MOST_CLASSES} values that "
            f"each occur twice or more; the columns are {', '.join(map(repr, columns))}"
        )
    return named[0] if named else min(found, key=lambda name: found[name])


def _text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], path: Path) -> str:
    """The column with most words."""
    words = {name: sum(len(str(row[name] or "").split()) for row in rows) for name in columns}
    if not words:
        raise FreeLBTuneError(f"{path}: has no column of texts beside its labels")
    return max(words, key=lambda name: words[name])
