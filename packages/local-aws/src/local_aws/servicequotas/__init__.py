"""Service Quotas: how much of everything an account may have, told and enforced."""
