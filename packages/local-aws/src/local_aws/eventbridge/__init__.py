"""EventBridge: moto's, with schedules that come round."""


def install() -> None:
    """Put our backend into moto."""
    import moto.events.models as moto

    from local_aws.eventbridge.models import EventsBackend

    moto.events_backends.backend = EventsBackend
