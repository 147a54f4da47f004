"""Clients: the organizations and individuals that are served, with their sites and links."""
