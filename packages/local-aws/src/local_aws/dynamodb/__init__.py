"""DynamoDB: moto's, with queries that only read one partition."""
