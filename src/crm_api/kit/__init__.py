"""The machinery, written once: declarations, queries, writes, the change log. It knows no resource."""
