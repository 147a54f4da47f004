"""The timeline of a client: all that is remembered about it in one order, as the reader may see."""
