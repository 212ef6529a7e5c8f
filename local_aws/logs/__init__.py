"""CloudWatch Logs: moto's, with filter patterns that look into JSON."""


def install() -> None:
    """Take the place of moto's filter, for which every pattern that it cannot read matches."""
    import moto.logs.models as moto

    from local_aws.logs.patterns import FilterPattern

    moto.EventMessageFilter = FilterPattern  # type: ignore[attr-defined,assignment]
