"""A results folder as a whole: taking it, packing it, and what lies at its top."""
