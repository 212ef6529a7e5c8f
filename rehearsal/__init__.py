"""The main job, rehearsed: data, deployment, test events and destruction on the local AWS."""
