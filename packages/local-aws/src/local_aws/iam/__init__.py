"""IAM enforcement: callers, required permissions, and policy evaluation."""
