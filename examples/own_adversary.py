"""An adversary of your own beside FreeLB, from a script: does it do better, or only look so?

    python examples/own_adversary.py                      # a few minutes on two CPU cores
    python examples/own_adversary.py 'seeds=[1, 2, 3]'    # one seed more; what is known is kept

`freelb-tune --plugin examples/own_adversary.py` knows the same adversary. No network is needed: the
task is made up from a grammar and the encoder is small and random, so the numbers say how the tool
works and nothing about real text.
"""

import sys
from typing import ClassVar, Literal

import freelb_tune as ft


class SignSettings(ft.Perturbing):
    """One step along the sign of the gradient (FGSM), and the mean of both losses.

    Attributes:
        adv_lr: length of the step in every direction, in embedding units.
    """

    method: Literal["sign"] = "sign"
    adv_lr: float = 0.01

    norm: ClassVar = "linf"


class Sign:
    """Trains on the clean batch and on the perturbed one, half and half."""

    def __init__(self, settings: SignSettings) -> None:
        self.settings = settings

    def __call__(self, passes: ft.Passes) -> ft.Outcome:
        """Two passes of one mini-batch; `passes.run` adds each one's gradient to the model's."""
        still = passes.mask.new_zeros((*passes.mask.shape, passes.width))
        clean = passes.run(still, scale=0.5)
        delta = self.settings.adv_lr * clean.slope.sign()
        moved = passes.run(delta, scale=0.5, ascend=False)
        losses = (clean.losses + moved.losses) / 2
        return ft.Outcome(losses, moved.losses, delta=delta, passes=2)


ft.register(SignSettings, Sign)


def main(overrides: list[str]) -> None:
    """Run the search, or go on with it, and say what it has shown."""
    space = ft.load_space(
        "quickstart",
        [
            "name=own_adversary",
            "adversary={adv_steps: 2, adv_lr: 0.01, method: {grid: [freelb, sign]}}",
            "table={rows: [method]}",
            *overrides,
        ],
    )
    print(ft.plan(space))
    results = ft.search(space)
    print(results.ranking[["place", "adversary.method", "n", "mean", "sd", "clean_mean"]])
    print(results.verdict.sentence)


if __name__ == "__main__":
    main(sys.argv[1:])
