"""Demo data: five organizations, one for each preset; the same each time they are made."""
