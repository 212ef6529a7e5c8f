"""Amazon SNS: moto's, whose topics call no other function than the one that subscribed."""
