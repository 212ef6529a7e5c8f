"""CloudWatch Logs: moto's, with filter patterns that look into JSON, and prefixes of streams."""
