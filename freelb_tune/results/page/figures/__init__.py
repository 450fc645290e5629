"""The figures of the page, one file for each question that they answer."""
