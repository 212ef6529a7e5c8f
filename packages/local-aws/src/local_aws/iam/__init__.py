"""IAM enforced: who calls, what the call needs, and whether policies allow it."""
