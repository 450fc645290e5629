"""`python -m freelb_tune.cli` is `freelb-tune`."""

from freelb_tune.cli.root import main

main()
