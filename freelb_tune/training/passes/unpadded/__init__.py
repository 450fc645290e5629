"""Room: training. A model's own layers on real tokens only, on a GPU; each pass may be recorded."""
