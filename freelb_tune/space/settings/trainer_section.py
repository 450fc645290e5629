"""The trainer's section of a cell: the fields of `TrainingArguments` that it sets, and its updates.

Room: space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import cast

from freelb_tune.space.settings.trainer_fields import EPOCHS
from freelb_tune.space.values import Value

__all__ = ["TrainerFields"]


@dataclass(frozen=True)
class TrainerFields:
    """The fields of `TrainingArguments` that a cell sets.

    What is asked for by name below falls back to `TrainingArguments`' own default where the cell
    does not set it.

    Attributes:
        fields: values by the field's name, as `TrainingArguments` takes them.
    """

    fields: Mapping[str, Value]

    @property
    def batch_size(self) -> int:
        """Training examples of a mini-batch."""
        return cast(int, self.fields.get("per_device_train_batch_size", 8))

    @property
    def accumulation(self) -> int:
        """Mini-batches of one weight update."""
        return cast(int, self.fields.get("gradient_accumulation_steps", 1))

    def batches_per_epoch(self, examples: int) -> int:
        """Mini-batches of one pass over so many training examples, the last perhaps a small one."""
        whole = self.fields.get("dataloader_drop_last", False)
        return examples // self.batch_size if whole else ceil(examples / self.batch_size)

    def updates_per_epoch(self, examples: int) -> int:
        """Weight updates of one pass over so many training examples, as `Trainer` counts them."""
        return max(1, ceil(self.batches_per_epoch(examples) / self.accumulation))

    def updates(self, examples: int) -> int:
        """Weight updates of the whole training.

        Args:
            examples: of the training set.
        """
        steps = cast(int, self.fields.get("max_steps", -1))
        epochs = cast(float, self.fields.get("num_train_epochs", EPOCHS))
        return steps if steps > 0 else ceil(epochs * self.updates_per_epoch(examples))

    def epochs(self, examples: int) -> int:
        """How many times a cell is evaluated: its epochs, a last, partial one counted as one.

        Args:
            examples: of the training set.
        """
        return ceil(self.updates(examples) / self.updates_per_epoch(examples))
