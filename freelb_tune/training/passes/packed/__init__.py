"""Room: training. Encoders run on real tokens only; `pack` gives one, or None."""

from freelb_tune.training.passes.packed.encoder import PackedEncoder
from freelb_tune.training.passes.packed.masks import DropoutMasks
from freelb_tune.training.passes.packed.support import pack

__all__ = ["DropoutMasks", "PackedEncoder", "pack"]
