"""`freelb-tune doctor`: what a bug report needs.

Room: cli.
"""

import json

from freelb_tune.cli.options import Json

__all__ = ["doctor"]


def doctor(as_json: Json = True) -> None:
    """Print versions, devices and disk space: for a bug report. It is JSON, always."""
    from freelb_tune.api.environment import environment

    print(json.dumps(environment(), indent=2, default=str))
