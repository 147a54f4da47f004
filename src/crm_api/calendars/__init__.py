"""Calendars: a user's open tasks and planned meetings, for any calendar program (RFC 5545)."""
