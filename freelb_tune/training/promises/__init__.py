"""What every adversary promises: one function each, which `contract.py` calls by name."""
