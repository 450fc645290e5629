"""What needs a GPU: see `bench/README.md`."""
