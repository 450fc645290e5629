"""The statistics alone: numbers in, numbers out."""
