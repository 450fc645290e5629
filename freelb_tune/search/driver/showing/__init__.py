"""What a search shows while it runs: a live table, plain lines, trackers."""
