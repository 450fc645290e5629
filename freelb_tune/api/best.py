"""The selected model of a search, as a Python user has it.

Room: api. Torch and transformers load when the model is asked for.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freelb_tune.space import Cell

if TYPE_CHECKING:
    import pandas as pd

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
        from freelb_tune.training.predicting.selected import load_best_model

        return load_best_model(self.folder, trust_remote_code=trust_remote_code)

    def tokenizer(self, *, trust_remote_code: bool = False) -> Any:
        """The tokenizer that it was trained with; arguments and errors are `model`'s."""
        from freelb_tune.training.inputs.tokenizer import load_tokenizer

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
        known: dict[str, Any] = {"truncation": True, "max_length": self.cell.data.max_length}
        if model.config.num_labels == 1:
            known["function_to_apply"] = "none"  # the model's answer is the value itself
        if model.config.problem_type == "multi_label_classification":
            known["top_k"] = None  # every label with its probability
        tokenizer = self.tokenizer(trust_remote_code=trust_remote_code)
        return pipeline(
            "text-classification", model=model, tokenizer=tokenizer, **{**known, **options}
        )

    def predict(
        self, texts: Sequence[str | Sequence[str]], *, trust_remote_code: bool = False
    ) -> "pd.DataFrame":
        """The model's answers: what `freelb-tune predict --input` adds to a file's columns.

        Args:
            texts: texts, or pairs where the model reads pairs.
            trust_remote_code: let Python inside the folder run.

        Returns:
            A row for each text: `predicted_label` and `probability_CLASS` for each class, or
            `predicted_value`; with several labels `predicted_labels` in place of `predicted_label`.

        Raises:
            FreeLBTuneError: the model cannot be loaded, or the texts are not as it reads them.
        """
        import pandas as pd

        from freelb_tune.training.predicting.texts import predict_texts

        answers = predict_texts(self.folder, self.cell, texts, trust_remote_code=trust_remote_code)
        return pd.DataFrame(dict(answers.columns))

    def __repr__(self) -> str:
        return f"<Best: cell {self.cell.id}, seed {self.cell.block}, in {self.folder}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(json.dumps(value))}</td></tr>"
            for name, value in self.cell.settings.items()
        )
        return f"<p>{escape(repr(self)[1:-1])}</p><table>{rows}</table>"
