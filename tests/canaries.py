"""A bystander: an organization whose every text is a canary. It works along, and is never seen."""

CANARY = "zqcanary7x4"
"""In every text of the bystander; small letters and digits, so that each normal form keeps it."""
CANARY_PHONE = "+256772907143"
