"""Followers of clients, and what they are told of: changes of others, as far as they read them."""
