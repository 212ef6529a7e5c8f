"""URLs of the three APIs.

Their requests are all signed for `personalize`, so the server cannot distinguish them by signature;
their paths do not overlap, so they share one address.
"""

from local_aws.personalize.responses import EventsResponse, PersonalizeResponse, RuntimeResponse

url_bases = [r"https?://personalize(?:-runtime|-events)?\.(.+)\.amazonaws\.com"]

url_paths = {
    "{0}/$": PersonalizeResponse.dispatch,
    **{
        f"{{0}}/{path}$": RuntimeResponse.dispatch
        for path in ("recommendations", "personalize-ranking", "action-recommendations")
    },
    **{
        f"{{0}}/{path}$": EventsResponse.dispatch
        for path in ("events", "items", "users", "actions", "action-interactions")
    },
}
