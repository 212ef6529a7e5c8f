"""CloudWatch: moto's, with alarms that look at their metrics, and our services' metrics."""
