"""SageMaker's data plane: InvokeEndpoint, answered by the endpoint's own process."""
