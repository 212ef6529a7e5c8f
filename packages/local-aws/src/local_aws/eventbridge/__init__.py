"""EventBridge: moto's, with schedules that fire."""
