"""What a policy allows, by AWS's evaluation logic."""
