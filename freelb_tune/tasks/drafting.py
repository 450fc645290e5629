"""A first search space for a file that nobody has described: what can be seen of it, written down.

Room: tasks. A path in, the text of a YAML file out.
"""

import json
import math
import re
from pathlib import Path

from freelb_tune.space.settings.sections import DataFields
from freelb_tune.tasks.examples import check_data
from freelb_tune.tasks.first_look import encoding_of, one_line, target_of, texts_of
from freelb_tune.tasks.reading.delimited import Form
from freelb_tune.tasks.reading.files import read_table

__all__ = ["draft_space"]

_DRAFT = """\
# A first search space for {file}, written by `freelb-tune new`: look it over, then
#
#     freelb-tune plan --space {name}.yaml
#     freelb-tune --space {name}.yaml
#
# Seen: {rows} rows, columns {columns}.
# {target}
# Half of the texts have {middle} words or fewer, 95 % have {long} or fewer.
name: {name}
task: {task}
model: {model}
data:
  file: {path}
  dev_share: {part:<27} # of the rows{share}
  text: {text}
  label: {label}
  max_length: {length:<26} # tokens, by a guess; plan says what it cuts
{more}trainer:
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
{search}"""

_FEW_ROWS = 400
_FOLDS = "; or folds: 5, which judges every row"


def draft_space(path: Path, model: str | None = None) -> str:
    """Look at a file and write a search space for it.

    Args:
        path: CSV, TSV, JSON Lines, a JSON list or Parquet.
        model: what to fine-tune; None for RoBERTa, or its sibling of many languages.

    Raises:
        FreeLBTuneError: the file cannot be read, no column of it looks like labels or texts, or
            its rows cannot be trained on as they are.
    """
    encoding = encoding_of(path)
    table = read_table(path, Form(encoding=encoding))
    rows = [row for _, row in table.rows]
    target = target_of(table.columns, rows, path)
    texts = texts_of(table.columns, target, rows, path)
    data = {
        "file": str(path),
        "dev_share": max(0.2, min(0.5, math.ceil(100 * target.classes / len(rows)) / 100)),
        "text": texts.columns[0] if len(texts.columns) == 1 else texts.columns,
        "label": target.column,
        "encoding": encoding,
        "alike_labels": "merge" if target.alike else None,
    }
    check_data(target.task, DataFields.model_validate(data))
    more = f"  encoding: {encoding:<28} # not UTF-8\n" if encoding else ""
    more += f"  alike_labels: merge                  # {target.alike}\n" if target.alike else ""
    search = f"search: {{metric: macro_f1}}             # {target.skewed}\n"
    return _DRAFT.format(
        file=one_line(path.name),
        name=re.sub(r"[^\w.+-]+", "_", path.name.split(".")[0]).lstrip(".+-") or "own",
        rows=len(rows),
        columns=one_line(", ".join(table.columns)),
        target=target.told,
        middle=texts.middle,
        long=texts.long,
        task=target.task,
        model=json.dumps(model or ("roberta-base" if texts.is_english else "xlm-roberta-base")),
        path=json.dumps(str(path), ensure_ascii=False),
        part=data["dev_share"],
        share=target.share + (_FOLDS if len(rows) < _FEW_ROWS else ""),
        text=json.dumps(data["text"], ensure_ascii=False),
        label=json.dumps(target.column, ensure_ascii=False),
        length=min(512, max(32, math.ceil((texts.tokens + 2) / 32) * 32)),
        more=more,
        search=search if target.skewed else "",
    )
