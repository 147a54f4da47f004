"""Communications: what was said with whom, and what follows from it."""
