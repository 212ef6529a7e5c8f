"""AWS on this machine: moto's APIs with a stack engine, functions and SageMaker that work."""
