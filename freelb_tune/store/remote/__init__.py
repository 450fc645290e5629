"""Results at a URI: a search works in a folder of this machine, which is kept there, too."""
