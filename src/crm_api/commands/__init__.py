"""The commands of `crm-api`, a module each subject; each registers its own."""
