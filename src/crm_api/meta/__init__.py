"""What front ends must know before they ask for a record: forms, limits, lists of codes."""
