"""CloudWatch: moto's, with evaluated alarms and the local services' metrics."""
