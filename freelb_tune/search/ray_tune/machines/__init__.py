"""Where Ray runs: this machine or a cluster, whether it is there, and what it has."""
