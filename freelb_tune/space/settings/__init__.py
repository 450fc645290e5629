"""What a file may say, section by section: one class or table for each."""
