"""The selected model of a search, as a Python user has it.

Room: api. Torch and transformers load when the model is asked for.
"""

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from freelb_tune.space import Cell

__all__ = ["Best"]


@dataclass(frozen=True, repr=False)
class Best:
    """A selected model: of the configuration with the best mean, its best seed's.

    Attributes:
        folder: where it is; `from_pretrained` takes it.
        cell: its configuration and seed: `cell.id`, `cell.seed`, `cell.settings`.
    """

    folder: Path
    cell: Cell

    def model(self, *, trust_remote_code: bool = False) -> Any:
        """The classifier, as transformers has it, in float32.

        Args:
            trust_remote_code: let Python inside the folder run.

        Raises:
            FreeLBTuneError: it cannot be loaded.
        """
        from freelb_tune.training.selected import load_best_model

        return load_best_model(self.folder, trust_remote_code=trust_remote_code)

    def tokenizer(self, *, trust_remote_code: bool = False) -> Any:
        """The tokenizer that it was trained with; arguments and errors are `model`'s."""
        from freelb_tune.training.inputs.tokens import load_tokenizer

        return load_tokenizer(self.folder, trust_remote_code=trust_remote_code)

    def pipeline(self, *, trust_remote_code: bool = False, **options: Any) -> Any:
        """A transformers pipeline: texts in, labels and scores out, cut at the trained length.

            results.best.pipeline()({"text": "All dogs bark.", "text_pair": "Some dogs bark."})

        Args:
            trust_remote_code: let Python inside the folder run.
            options: more for `transformers.pipeline`, such as `device` or `batch_size`.

        Raises:
            FreeLBTuneError: it cannot be loaded.
        """
        from transformers import pipeline

        model = self.model(trust_remote_code=trust_remote_code)
        known: dict[str, Any] = {"truncation": True}
        known["max_length"] = self.cell.data.max_length
        if model.config.num_labels == 1:
            known["function_to_apply"] = "none"  # the model's answer is the value itself
        tokenizer = self.tokenizer(trust_remote_code=trust_remote_code)
        return pipeline(
            "text-classification", model=model, tokenizer=tokenizer, **{**known, **options}
        )

    def __repr__(self) -> str:
        return f"<Best: cell {self.cell.id}, seed {self.cell.seed}, in {self.folder}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(json.dumps(value))}</td></tr>"
            for name, value in self.cell.settings.items()
        )
        return f"<p>{escape(repr(self)[1:-1])}</p><table>{rows}</table>"
