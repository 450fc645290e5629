"""What did the user ask for? One file per command: parse, call the rooms, print, leave.

Room: cli, the last one. Data goes to stdout, talk to stderr. Status 0: done; 1: some cells failed;
2: something the caller can put right; 130: interrupted. Heavy libraries load inside the command
that needs them.
"""

from freelb_tune.cli.root import app, main

__all__ = ["app", "main"]
