"""`freelb-tune doctor`: what a bug report needs.

Room: cli.
"""

import json

__all__ = ["doctor"]


def doctor() -> None:
    """Print versions, devices and disk space: for a bug report."""
    from freelb_tune.api.environment import environment

    print(json.dumps(environment(), indent=2, default=str))
