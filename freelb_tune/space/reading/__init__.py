"""From a file to a `Space`: its text, its shorthands, its branches."""
