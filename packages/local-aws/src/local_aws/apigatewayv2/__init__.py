"""API Gateway's HTTP APIs: moto's records, with live endpoints; the rest is refused."""
