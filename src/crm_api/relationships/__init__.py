"""Relationships between clients: hierarchies and networks, and how they are walked and drawn."""
