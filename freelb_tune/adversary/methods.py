"""Every method by name, and the adversary that settings describe.

Room: adversary.
"""

from freelb_tune.adversary.creat import CreAT
from freelb_tune.adversary.fgm import FGM
from freelb_tune.adversary.freeat import FreeAT
from freelb_tune.adversary.freelb import FreeLB
from freelb_tune.adversary.noise import Noise
from freelb_tune.adversary.none import NoAdversary
from freelb_tune.adversary.passes import Adversary
from freelb_tune.adversary.pgd import PGD
from freelb_tune.adversary.plugins import FACTORIES, Factory
from freelb_tune.adversary.r3f import R3F
from freelb_tune.adversary.rdrop import RDrop
from freelb_tune.adversary.repeat import Repeat
from freelb_tune.adversary.sam import ASAM, SAM
from freelb_tune.adversary.schedule import Schedule
from freelb_tune.adversary.smart import SMART
from freelb_tune.adversary.tavat import TAVAT
from freelb_tune.adversary.vat import VAT
from freelb_tune.errors import FreeLBTuneError, unknown_name
from freelb_tune.space.settings.adversaries import AdversarySettings, Perturbing, Scheduled

__all__ = ["METHODS", "make_adversary"]

METHODS: dict[str, Factory] = {
    "none": NoAdversary,
    "freelb": FreeLB,
    "freelb++": FreeLB,
    "pgd": PGD,
    "freeat": FreeAT,
    "fgm": FGM,
    "smart": SMART,
    "r3f": R3F,
    "vat": VAT,
    "noise": Noise,
    "repeat": Repeat,
    "tavat": TAVAT,
    "creat": CreAT,
    "rdrop": RDrop,
    "sam": SAM,
    "asam": ASAM,
}
"""Our methods; `space/settings/adversaries.py` has their settings, `plugins.FACTORIES` the rest."""


def make_adversary(settings: AdversarySettings) -> Adversary:
    """The adversary that these settings describe, with its schedule.

    Args:
        settings: lengths in embedding units; see `scale.absolute`.

    Raises:
        FreeLBTuneError: there is no method of that name, or its lengths are relative still.
    """
    known: dict[str, Factory] = {**FACTORIES, **METHODS}
    if settings.method not in known:
        raise FreeLBTuneError(f"adversary.method: {unknown_name(settings.method, known)}")
    factory = known[settings.method]
    if not isinstance(settings, Scheduled):
        return factory(settings)
    if isinstance(settings, Perturbing) and settings.relative:
        raise FreeLBTuneError(
            f"adversary {settings.method}: the lengths are relative to a model's embeddings; "
            "turn them into embedding units first, by freelb_tune.adversary.absolute"
        )
    if settings.adv_begin_step or settings.adv_warmup_steps:
        return Schedule(settings, factory)
    return factory(settings)
