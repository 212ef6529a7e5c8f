"""The end-to-end workflow on the local AWS: data, deployment, test events and removal."""
