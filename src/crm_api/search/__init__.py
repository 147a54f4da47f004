"""Global search: one term, looked for in all that the reader may see."""
