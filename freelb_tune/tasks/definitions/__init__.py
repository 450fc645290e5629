"""What a task is: columns, labels, metrics and sets; and which there are."""
