"""Notes of clients: each kind in the field group of the client that it speaks of."""
