"""Amazon SNS: moto's, with topics that call exactly the subscribed functions."""
