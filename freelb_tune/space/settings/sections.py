"""The sections of a search-space file that are not searched, as frozen objects.

Room: space. `resources`, `table` and `verdict`; and the fields of `data`, `model`, `loss` and
`run`, whose values may be searched. (The section `search` is in `algorithms`.)
"""

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
)

from freelb_tune.space.settings.also import check_also

__all__ = [
    "SEARCHED",
    "Bold",
    "DataFields",
    "ClassWeights",
    "FoldFields",
    "Inputs",
    "LossFields",
    "ModelFields",
    "ResourcesConfig",
    "RunFields",
    "TableConfig",
    "VerdictConfig",
    "of_today",
]

SEARCHED = ("model", "data", "trainer", "loss", "adversary", "run")
"""Sections whose every value may be a domain."""

Count = Annotated[int, Field(ge=1)]


def _encoding(name: str) -> str:
    """An encoding's own name, so that two ways to write it are one setting."""
    try:
        return codecs.lookup(name).name
    except LookupError as err:
        raise ValueError("the name of an encoding, such as utf-8, cp1252 or latin-1") from err


def _weights(value: Any, read: Callable[[Any], Any]) -> Any:
    """One sentence for all that is wrong, in place of one for each form that it is not."""
    try:
        return read(value)
    except ValidationError as err:
        raise ValueError(
            "balanced, or a weight above 0 for each class: a list in the labels' order, such as "
            "[1, 2.5], or a mapping by their names"
        ) from err


Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ClassWeights = Literal["balanced"] | list[Weight] | dict[str, Weight]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class ResourcesConfig(_Section):
    """What each trial gets, and how many run at a time.

    Attributes:
        gpu: GPUs per trial; None takes one where there are GPUs. 0 uses the CPU.
        cpu: CPU cores, and threads, per trial.
        max_concurrent: trials at a time; None for as many as fit.
        max_failures: restarts of a trial after its worker died.
        stall_factor: a trial that has taken no step and told no epoch for so many times its longest
            epoch hangs (before its first, for half an hour; never within a minute): its process is
            ended, and it counts as a worker that died. None waits for ever.
        checkpoint_gib: room for the models and checkpoints of all cells. Where they take more, the
            models of finished cells go, the oldest first, then what failed cells could go on from.
            `best/` stays, as do metrics, predictions and what unfinished cells go on from. None
            sets no limit.
    """

    gpu: Annotated[float, Field(ge=0)] | None = None
    cpu: Count | None = None
    max_concurrent: Count | None = None
    max_failures: Annotated[int, Field(ge=0)] = 2
    stall_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = 10.0
    checkpoint_gib: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


Bold = Literal["significant", "at_least_clean", "best", "none"]


def of_today(bold: Any) -> Any:
    """What is printed in bold, by the name that it has today: folders of 0.1.0 have the old one."""
    return "at_least_clean" if bold == "at_least_baseline" else bold


class TableConfig(_Section):
    """How the result table is laid out.

    Attributes:
        rows: settings that make a row; the searched adversary settings if None.
        columns: the setting that makes the columns; the searched batch size if None.
        bold: what is printed in bold.
        select: whether a cell counts with its best epoch or its last.
        cost: add each configuration's passes, device-hours and peak memory to the ranking. Off, as
            times differ between two runs of the same search, and the tables then do too.
    """

    rows: list[str] | None = None
    columns: str | None = None
    bold: Annotated[Bold, BeforeValidator(of_today)] = "significant"
    select: Literal["best_epoch", "last_epoch"] = "best_epoch"
    cost: bool = False


class VerdictConfig(_Section):
    """What is asked of the verdict.

    Attributes:
        margin: differences below this do not matter, in points (of a loss in its own unit): whether
            configurations are within it is tested, too. None asks nothing. No part of a cell.
    """

    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class ModelFields(_Section):
    """What to fine-tune.

    Attributes:
        name: a Hub id, a folder, `package:NAME/FOLDER` (files inside an installed package) or
            `config:TYPE` (random weights, sizes from `config`).
        revision: commit, tag or branch on the Hub.
        config: sizes of a `config:` model, such as hidden_size; of any other model, fields laid
            over its own config, such as hidden_dropout_prob.
        trust_remote_code: let the model's own Python run. Off unless asked.
        pad_token: for a tokenizer without a padding token, the word to pad with: eos, or any.
        adapter: train an adapter of peft in place of all weights: its type and any setting of that
            type's config by peft's own name, each of which may be searched; none for all weights.
    """

    name: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    config: dict[str, Any] | None = None
    trust_remote_code: bool = False
    pad_token: Annotated[str, Field(min_length=1)] | None = None
    adapter: dict[str, Any] | str | None = None

    @property
    def adapted(self) -> dict[str, Any] | None:
        """The adapter's settings with its type; None where all weights are trained."""
        own = {"type": self.adapter} if isinstance(self.adapter, str) else self.adapter
        return None if own is None or own.get("type", "none") == "none" else own


class DataFields(_Section):
    """Where the rows come from.

    Attributes:
        source: hub, glue (a folder in GLUE's layout), files (own CSV, TSV, JSON Lines, Parquet)
            or synthetic; told from the rest if left out.
        path: the GLUE folder, or a dataset's name or folder.
        train: the training file.
        dev: the dev file.
        test: the test file. An own one with labels is scored once, at the planned end, for the
            best adversarial configuration and its clean arm; nothing of it is shown before.
        file: one file in place of train and dev, which are cut from it.
        dev_share: the part of it that becomes the dev set; each label keeps its share.
        folds: in place of dev_share, cross-validation: the file is cut into so many parts, and each
            is the dev set of cells that are trained on the others.
        split_seed: decides which rows. Not a training seed.
        text: the text column, or two for a pair.
        label: the label's column; a list of columns has one for each label, with 0 or 1.
        subset: the dataset's configuration on the Hub.
        revision: the dataset's commit, tag or branch on the Hub.
        advglue: AdvGLUE's dev_ann.json, evaluated besides the dev set.
        also: further labelled sets by names of yours, evaluated besides the dev set: a file,
            {file: FILE, text: ..., label: ..., labels: {theirs: ours}} where it calls them
            otherwise, {builtin: characters, rate: 0.05} for mistakes of typing in the dev set, or
            {builtin: advglue, file: FILE}.
        separator: between the fields of an own CSV or TSV; told from its header if left out.
        quotes: whether a field of it may stand in quotes; told from the file if left out.
        encoding: of own files, such as cp1252; UTF-8 if left out.
        alike_labels: labels that differ only by case, spaces, invisible characters, Unicode form
            or a number's writing: merge makes one class of them, keep several; else an error.
        max_train_examples: a seeded sample of this many training rows.
        max_eval_examples: the same of each evaluation set.
        max_length: tokens of an example; the rest is cut off.
    """

    source: Literal["hub", "glue", "files", "synthetic"] | None = None
    path: str | None = None
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    file: str | None = None
    dev_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    folds: Annotated[int, Field(ge=2)] | None = None
    split_seed: Annotated[int, Field(ge=0)] | None = None
    text: str | list[str] | None = None
    label: str | list[str] | None = None
    subset: str | None = None
    revision: str | None = None
    advglue: str | None = None
    also: Annotated[dict[str, Any] | None, AfterValidator(check_also)] = None
    separator: Literal[",", ";", "\t", "|"] | None = None
    quotes: bool | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    alike_labels: Literal["merge", "keep"] | None = None
    max_train_examples: Count | None = None
    max_eval_examples: Count | None = None
    max_length: Annotated[int, Field(ge=4)] = 128


class FoldFields(DataFields):
    """The data section of a cell whose dev set is a fold; no file says which.

    Attributes:
        fold: 1 for the first.
    """

    fold: Count


@dataclass(frozen=True)
class Inputs:
    """What a cell learns, from which rows, and from which model on.

    Attributes:
        task: the task's name.
        data: where the rows come from.
        model: what is fine-tuned.
    """

    task: str
    data: DataFields
    model: ModelFields


class LossFields(_Section):
    """What is minimised.

    Attributes:
        class_weights: what an example of each class counts in the mean loss, in every arm: a list
            in the labels' order, a mapping by their names, or balanced, which is scikit-learn's:
            examples / (classes x examples of the class), of the training set as it is used.
    """

    class_weights: Annotated[ClassWeights | None, WrapValidator(_weights)] = None


class RunFields(_Section):
    """How a cell is computed.

    Attributes:
        padding_free: do no work on padding: on a CPU for BERT, RoBERTa and ELECTRA, on a GPU for
            encoders whose attention is torch's own; auto does so where it is right.
        keep_adapter: how a trained adapter is kept in best/: merged into the model's weights,
            which loads anywhere, or alone, small, beside the name of the model it is for.
    """

    padding_free: Literal["auto"] | bool = "auto"
    keep_adapter: Annotated[
        Literal["merged", "alone"], Field(exclude_if=lambda how: how == "merged")
    ] = "merged"  # left out of cells, which are older
