"""Distribution lists, who is on them, and segments."""
