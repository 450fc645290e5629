"""The same dropout masks in every pass of a mini-batch, whatever the model.

Room: training. Masks that the project draws are kept and used again; what a model draws itself is
repeated by replaying the state of the device's generator.
"""

import torch
from torch import Tensor

from freelb_tune.training.passes.packed.masks import draw_mask

__all__ = ["DropoutReplay", "KeptMasks"]


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


class KeptMasks:
    """One micro-batch's scaled dropout masks: drawn in its first pass, used again in the others.

    A model asks for them in the same order in every pass.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._masks: list[Tensor | None] = []
        self._place = 0

    def rewind(self) -> None:
        """Begin a pass."""
        self._place = 0

    def next(self, shape: tuple[int, ...], rate: float, like: Tensor) -> Tensor | None:
        """The pass's next mask, of dtype and device as `like`; None if nothing is dropped."""
        if self._place == len(self._masks):
            self._masks.append(draw_mask(shape, rate, self._generator, like))
        mask = self._masks[self._place]
        self._place += 1
        return mask
