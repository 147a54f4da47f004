"""Behaviour through HTTP, a folder for each resource."""
