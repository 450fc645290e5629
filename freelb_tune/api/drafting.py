"""A search space for a file of texts and labels.

Room: api.
"""

from freelb_tune.tasks.drafting import draft_space

__all__ = ["draft_space"]
