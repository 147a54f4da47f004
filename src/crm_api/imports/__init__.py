"""Lists from elsewhere: read, mapped, checked as the API checks, written in large steps."""
