"""What did the user ask for? One file per command: parse, call the rooms, print, leave.

Room: cli, the last one. Data goes to stdout, talk to stderr. Status 0: done; 1: some cells failed;
2: something the caller can put right; 130: interrupted. Heavy libraries load inside the command
that needs them.
"""

import gc

gc.set_threshold(100_000)  # modules and cells are kept: to look at them each time costs a tenth

from freelb_tune.cli.root import app, main  # noqa: E402

__all__ = ["app", "main"]
