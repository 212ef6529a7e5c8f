"""EventBridge Scheduler: schedules that call functions when they are due."""
