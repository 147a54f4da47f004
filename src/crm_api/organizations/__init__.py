"""Organizations: their settings and presets, and how a new one begins."""
