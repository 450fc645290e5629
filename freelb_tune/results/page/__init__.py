"""The page of a search, `report.html`: one file that says what was tried and what came of it."""
