"""Amazon Personalize: datasets, training, recommendations and events, with real models behind.

What AWS does and this does not is refused by name; `docs/personalize-coverage.md` lists it.
"""

import re


def install() -> None:
    """Put our backend into moto, and lead the two data planes' hosts to it."""
    import moto.personalize.models
    from moto.backend_index import backend_url_patterns

    from local_aws.personalize.models import PersonalizeBackend

    moto.personalize.models.personalize_backends.backend = PersonalizeBackend  # type: ignore[assignment]
    planes = (
        "personalize",
        re.compile(r"https?://personalize-(runtime|events)\.(.+)\.amazonaws\.com"),
    )
    if planes not in backend_url_patterns:
        backend_url_patterns.append(planes)
