"""What algorithms are built of, and what Ray asks in place of one."""
