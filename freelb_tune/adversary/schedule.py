"""When the perturbation begins, and how it grows to its full size. Serves every method.

Room: adversary.
"""

from collections.abc import Callable

from torch import Tensor

from freelb_tune.adversary.none import NoAdversary
from freelb_tune.adversary.passes import Adversary, Outcome, Passes, Remembering
from freelb_tune.space.settings.adversaries import NoneSettings, Scheduled

__all__ = ["Schedule"]


class Schedule:
    """An adversary that begins late and grows.

    With s the weight updates so far, b `adv_begin_step` and W `adv_warmup_steps`:

        s < b           one clean pass
        b <= s < b + W  the method with its lengths times (s - b + 1) / (W + 1)
        b + W <= s      the method as set

    During the growth the method is made anew for each mini-batch, with its memory. Cost: the
    method's; 1 pass before it begins.

    Reference:
        `adv_begin_step` is `--adv-begin-iter` of the FreeLB authors' fairseq code; growth is ours.
    """

    def __init__(self, settings: Scheduled, factory: Callable[[Scheduled], Adversary]) -> None:
        self.settings, self._factory = settings, factory
        self._clean: Adversary = NoAdversary(NoneSettings())
        self._full = factory(settings)

    def __call__(self, passes: Passes) -> Outcome:
        done = passes.step - self.settings.adv_begin_step
        growth = self.settings.adv_warmup_steps
        if done < 0:
            return self._clean(passes)
        if done >= growth:
            return self._full(passes)
        grown = self._factory(self.settings.times((done + 1) / (growth + 1)))
        if isinstance(self._full, Remembering) and isinstance(grown, Remembering):
            grown.memory = self._full.memory
        return grown(passes)

    def __getattr__(self, name: str) -> dict[str, Tensor]:
        """The method's memory, where it has one."""
        if name == "memory" and isinstance(self._full, Remembering):
            return self._full.memory
        raise AttributeError(name)
