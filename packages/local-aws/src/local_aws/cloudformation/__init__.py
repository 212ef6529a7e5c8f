"""CloudFormation's stack engine: order, progress, replacement, rollback and failures."""
