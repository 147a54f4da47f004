"""The whole database in one file, and back: taken under traffic, without a superuser."""
