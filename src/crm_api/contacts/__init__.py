"""Contacts: the persons. A contact knows no client; the link belongs to the client."""
