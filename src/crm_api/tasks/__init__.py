"""Tasks: what is due and of whom, follow-ups and reviews of clients."""
