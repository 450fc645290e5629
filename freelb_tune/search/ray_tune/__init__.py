"""The one place that imports Ray."""
