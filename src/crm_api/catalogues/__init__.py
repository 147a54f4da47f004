"""The lists of words that each organization keeps for itself: types, industries, tags and more."""
