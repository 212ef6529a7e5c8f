"""Amazon SQS: moto's, with queues that keep their policies."""
