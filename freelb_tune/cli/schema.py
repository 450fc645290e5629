"""`freelb-tune schema`: the search-space file's JSON Schema, for editors.

Room: cli.
"""

import json

__all__ = ["schema"]


def schema() -> None:
    """Print the search-space file's JSON Schema, for editors."""
    from freelb_tune.api.spaces import json_schema

    print(json.dumps(json_schema(), indent=2))
