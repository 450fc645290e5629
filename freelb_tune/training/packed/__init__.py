"""Room: training. Encoders run on real tokens only; `pack` gives one, or None."""

from freelb_tune.training.packed.encoder import PackedEncoder
from freelb_tune.training.packed.masks import DropoutMasks
from freelb_tune.training.packed.support import pack

__all__ = ["DropoutMasks", "PackedEncoder", "pack"]
