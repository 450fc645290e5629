"""Made-up token ids with RTE's real length distribution; no text of RTE is needed or kept.

`rte_lengths.json` counts RTE's pairs by their number of word pieces (MiniLM's vocabulary, at most
128), for the training and the dev set.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

VOCABULARY = 30522


def rte_lengths(split: str, count: int, seed: int) -> np.ndarray:
    """Draw lengths from RTE's histogram, `(count,)`."""
    histogram = json.loads((Path(__file__).parent / "rte_lengths.json").read_text())[split]
    pool = np.repeat([int(n) for n in histogram], list(histogram.values()))
    return np.random.default_rng(seed).choice(pool, size=count)


class MadeUp(Dataset[dict[str, Any]]):
    """Examples of given lengths with random tokens and labels."""

    def __init__(self, lengths: np.ndarray, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.lengths = lengths
        self._rows = [
            {
                "input_ids": rng.integers(1000, VOCABULARY - 1, size=n),
                "attention_mask": np.ones(n, dtype=np.int64),
                "labels": int(rng.integers(2)),
            }
            for n in lengths
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return self._rows[row]

    @property
    def tokens(self) -> int:
        """Tokens that are no padding."""
        return int(self.lengths.sum())
