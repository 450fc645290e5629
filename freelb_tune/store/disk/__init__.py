"""How files reach the disk and are read from it, whoever else may write there."""
