"""SageMaker: training jobs and endpoints that are processes on this machine."""
