"""Whether an account has what a deployment needs, without changing anything in it."""
