"""Step Functions: moto's interpreter, for the waiter of CDK's Provider framework."""
