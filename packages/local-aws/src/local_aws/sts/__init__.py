"""Sessions of roles: trust checked, and what each may do remembered."""
