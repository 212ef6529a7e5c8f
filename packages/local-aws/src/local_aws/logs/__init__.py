"""CloudWatch Logs: moto's, with JSON filter patterns and prefixes of streams."""
