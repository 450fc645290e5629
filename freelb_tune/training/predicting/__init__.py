"""What the selected model of a search says of test sets and of any texts."""
