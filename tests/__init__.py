"""The tests: behaviour through HTTP on a real PostgreSQL, the kit as plain functions."""
