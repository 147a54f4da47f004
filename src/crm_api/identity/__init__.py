"""People and credentials: sign-in, sessions, users, roles, API keys, organizations."""
