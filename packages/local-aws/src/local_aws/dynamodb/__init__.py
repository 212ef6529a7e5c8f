"""DynamoDB: moto's, whose queries look at one partition instead of the whole table."""
