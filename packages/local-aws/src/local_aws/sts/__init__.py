"""Sessions of roles, with checked trust and stored permissions."""
