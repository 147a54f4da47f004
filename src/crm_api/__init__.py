"""crm-api: a headless client-management backend whose field matrix holds on every surface."""
