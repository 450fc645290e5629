"""From a `Space` to the cells that it spans: their plan, their names, their parts."""
