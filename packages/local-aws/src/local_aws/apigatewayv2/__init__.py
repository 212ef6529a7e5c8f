"""API Gateway's HTTP APIs: kept by moto, refused where they could not answer, and answering."""
