"""Where the three APIs are found.

Their requests are all signed for `personalize`, so a server cannot tell them apart by that; the
paths do not overlap, so they can share one address.
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
