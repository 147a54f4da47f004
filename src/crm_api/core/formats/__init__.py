"""What a name, an address, a number or a date must look like. It knows no resource and no table."""
