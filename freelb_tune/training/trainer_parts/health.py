"""Whether the perturbation lives: its length, how often it meets the ball, what it costs in loss.

Room: training. Sums stay on the device and are read once per epoch: no step waits for them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from freelb_tune.adversary.delta import lengths
from freelb_tune.adversary.passes import Outcome
from freelb_tune.errors import DivergedError, FreeLBTuneError
from freelb_tune.space.settings.adversaries import AdversarySettings

__all__ = ["Health", "HealthReport"]

PROBE_EVERY = 50
"""Mini-batches between two clean passes without gradients, which tell `adv_loss_gain`."""

ON_THE_BALL = 1 - 1e-4
"""A perturbation at least this share of `max_norm` long lies on the ball."""


@dataclass(frozen=True)
class HealthReport:
    """One epoch's means; fields as in `store.EpochRecord`."""

    train_loss: float
    delta_norm: float | None
    delta_ratio: float | None
    bound_share: float | None
    adv_loss_gain: float | None


class Health:
    """Adds up what the adversary did, mini-batch by mini-batch, for one epoch."""

    def __init__(self, settings: AdversarySettings) -> None:
        self._settings = settings
        self._ball: float | None = getattr(settings, "max_norm", None)
        self._norm: str = getattr(settings, "norm", "l2")
        self.restart()

    def restart(self) -> None:
        """Forget everything, for the next epoch."""
        self._sums: Tensor | None = None  # loss, length, on the ball
        self._gain: Tensor | None = None
        self._examples = self._perturbed = self._probed = 0
        self._batches = 0

    @property
    def probe_is_due(self) -> bool:
        """Whether this mini-batch should tell its clean loss too: the first, and now and then."""
        return self._batches % PROBE_EVERY == 0

    def add(self, outcome: Outcome) -> None:
        """Count one mini-batch."""
        row = torch.zeros(3, dtype=torch.float64, device=outcome.losses.device)
        row[0] = outcome.losses.sum()
        self._examples += len(outcome.losses)
        self._batches += 1
        if outcome.delta is not None:
            length = lengths(outcome.delta, self._norm)
            row[1] = length.sum()
            if self._ball is not None:
                row[2] = (length >= ON_THE_BALL * self._ball).sum()
            self._perturbed += len(length)
        self._sums = row if self._sums is None else self._sums + row

    def probe(self, outcome: Outcome, clean: Tensor) -> None:
        """Compare a mini-batch's adversarial losses with its clean ones, `(B,)`."""
        gain = (outcome.adversarial - clean).sum().double()
        self._gain = gain if self._gain is None else self._gain + gain
        self._probed += len(clean)

    def read(self) -> HealthReport:
        """The epoch's means; the one wait for the device.

        Raises:
            DivergedError: the training loss is not a finite number.
            FreeLBTuneError: a perturbation is configured but did nothing.
        """
        if self._sums is None:
            raise FreeLBTuneError("no mini-batch was trained on; is the training set empty?")
        loss, length, bound = self._sums.tolist()
        train_loss = loss / self._examples
        if not torch.isfinite(self._sums).all():
            raise DivergedError(
                f"the training loss is {train_loss} after {self._examples} examples; "
                "a lower trainer.learning_rate, adversary.adv_lr or adversary.init_mag may help"
            )
        if not self._perturbed:
            return HealthReport(train_loss, None, None, None, None)
        if length == 0:
            raise FreeLBTuneError(
                f"adversary {self._settings.method} is configured but its perturbation stayed "
                f"zero for {self._perturbed} examples: {self._settings!r}; give it a start "
                "(init_mag) or steps (adv_lr with adv_steps of 2 or more), or write method: none"
            )
        mean = length / self._perturbed
        return HealthReport(
            train_loss,
            delta_norm=mean,
            delta_ratio=None if self._ball is None else mean / self._ball,
            bound_share=None if self._ball is None else bound / self._perturbed,
            adv_loss_gain=None if self._gain is None else self._gain.item() / self._probed,
        )
