"""Files: stored documents and https links, each in the field group that its kind speaks of."""
