"""The machinery, written once: declarations, queries, writes, change log. It knows no resource."""
