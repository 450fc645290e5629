"""Several GLUE tasks in one table, beside published figures."""
