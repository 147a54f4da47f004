"""The ground floor: configuration, access, errors, tokens, the database. It knows no resource."""
