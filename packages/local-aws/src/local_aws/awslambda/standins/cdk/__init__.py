"""The stand-ins themselves; they run in a sandbox, with boto3 and the standard library only."""
