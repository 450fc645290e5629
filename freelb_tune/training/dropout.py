"""The same dropout masks in every pass, by replaying the state of the device's generator."""

import torch
from torch import Tensor

__all__ = ["DropoutReplay"]


class DropoutReplay:
    """Remembers where the global generator stood when a mini-batch began.

    FreeLB's authors draw one mask per mini-batch (`dp_masks` in their ALBERT); here every dropout
    layer of any model repeats its draw, as the generator is set back before each pass. After the
    last pass the generator stands where one clean pass would have left it.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._device = device
        self._start = self.state()

    def state(self) -> Tensor:
        """The generator's state now; reading it does not wait for the device."""
        return torch.cuda.get_rng_state(self._device) if self._cuda else torch.get_rng_state()

    def restore(self, state: Tensor) -> None:
        """Go back to a state."""
        if self._cuda:
            torch.cuda.set_rng_state(state, self._device)
        else:
            torch.set_rng_state(state)

    def rewind(self) -> None:
        """Go back to where the mini-batch began."""
        self.restore(self._start)
