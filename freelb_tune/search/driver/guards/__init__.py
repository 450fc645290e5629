"""What watches over a search: hours, silent trials, signals, the memory of killed processes."""
