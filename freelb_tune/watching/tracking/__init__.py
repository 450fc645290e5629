"""The trackers of a space's `track`: what they are told, and one file for each."""
