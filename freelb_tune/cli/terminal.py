"""What a terminal cannot show is shown in its letters, not as a traceback.

Room: cli.
"""

import codecs
import sys

__all__ = ["show_what_it_can", "tell"]

_PLAIN = {"±": "+/-", "×": "x", "−": "-", "–": "-", "—": "-", "…": "...", "→": "->", "≤": "<=",
          "≥": ">=", "≈": "~", "·": "*", "•": "*", "▁": "_"}  # fmt: skip


def tell(text: str) -> None:
    """One line to stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def show_what_it_can() -> None:
    """Have stdout and stderr replace characters that their encoding lacks, as ASCII lacks ±."""
    codecs.register_error("freelb_tune", _replace)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a caller's own stream may have none
        if reconfigure is not None:
            reconfigure(errors="freelb_tune")


def _replace(err: UnicodeError) -> tuple[str, int]:
    if not isinstance(err, UnicodeEncodeError):
        raise err
    lost = err.object[err.start : err.end]
    return "".join(_PLAIN.get(letter, "?") for letter in lost), err.end
