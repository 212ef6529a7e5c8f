"""Amazon SQS: moto's, with persistent queue policies."""
