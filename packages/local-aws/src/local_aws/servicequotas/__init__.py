"""Service Quotas: reported and enforced quotas."""
