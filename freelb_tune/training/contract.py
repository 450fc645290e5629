"""What every adversary promises, as checks that anybody's adversary can be put through.

Room: training. Under pytest:

    from freelb_tune.training.contract import CHECKS, check

    @pytest.mark.parametrize("name", CHECKS)
    def test_my_adversary_keeps_the_contract(name):
        check(MySettings(), checks=[name])

The checks run on a copy of the model in double precision with dropout off, on made-up batches,
within seconds on a CPU. A broken promise is an `AssertionError` that says which and how.
"""

import copy
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.settings.adversaries import ADVERSARIES, AdversarySettings
from freelb_tune.training.probing.tryout import tiny_model
from freelb_tune.training.promises.gradient import GRADIENT
from freelb_tune.training.promises.perturbation import PERTURBATION

__all__ = ["CHECKS", "check"]

CHECKS = PERTURBATION | GRADIENT
"""Every promise by name; each function raises AssertionError where it is broken."""


def check(
    settings: AdversarySettings | str,
    model: nn.Module | None = None,
    checks: Iterable[str] | None = None,
) -> None:
    """Put an adversary through the contract.

    Args:
        settings: of a registered adversary, which should perturb; its name for the defaults.
        model: a sequence classifier, left as it is; a tiny BERT if None.
        checks: names from `CHECKS`; all of them if None.

    Raises:
        AssertionError: it breaks a promise.
        FreeLBTuneError: there is no such adversary or check.
    """
    if isinstance(settings, str):
        if settings not in ADVERSARIES:
            raise FreeLBTuneError(f"adversary: {unknown_name(settings, ADVERSARIES)}")
        settings = ADVERSARIES[settings](method=settings)
    bench = copy.deepcopy(tiny_model() if model is None else model).double().eval()
    for name in CHECKS if checks is None else checks:
        if name not in CHECKS:
            raise FreeLBTuneError(f"check: {unknown_name(name, CHECKS)}")
        try:
            with _randomness_put_back():
                CHECKS[name](settings, bench)
        except AssertionError as err:
            raise AssertionError(f"{settings.method}: {name}: {err}") from err


@contextmanager
def _randomness_put_back() -> Iterator[None]:
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])  # noqa: NPY002
