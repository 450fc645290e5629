"""How a mini-batch goes forward and backward, K times."""
