"""CloudFormation as a stack engine: order, progress, replacement, rollback, honest failures."""
