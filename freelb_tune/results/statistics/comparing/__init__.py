"""Arms against their clean arms: what differs, by how much, and how sure that is."""
