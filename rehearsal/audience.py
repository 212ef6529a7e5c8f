"""An audience at the HTTP API: users ask for their lists, and what they click becomes events."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

Clicks = Callable[[str, Sequence[str]], Sequence[str]]
"""What a user clicks on a list of items."""

_TRIES = 10


def visit(api: str, users: Iterable[str], clicks: Clicks, count: int = 10) -> int:
    """Let users look at their lists, one after the other; how many clicks there were.

    Args:
        api: the API's URL.
        users: who asks for a list, in this order; a user may come again.
        clicks: decides what a user clicks; each click is sent as an event of the type `Watch`.
        count: the length of the lists.

    Raises:
        urllib.error.HTTPError: the API refuses a request.
    """
    total = 0
    for user in users:
        path = f"/users/{urllib.parse.quote(user, safe='')}/recommendations"
        answer = call(api, "GET", f"{path}?count={count}&explain=false")
        clicked = clicks(user, [one["item"] for one in answer["items"]])
        now = int(time.time())
        events = [
            {"user": user, "item": item, "timestamp": now, "type": "Watch"} for item in clicked
        ]
        if events:
            call(api, "POST", "/events", {"events": events})
        total += len(events)
    return total


def call(api: str, method: str, path: str, body: Any = None) -> Any:
    """Call the API, signed with the environment's credentials; wait where it is throttled.

    Raises:
        urllib.error.HTTPError: it refuses.
    """
    session = boto3.Session()
    data = None if body is None else json.dumps(body)
    for attempt in range(_TRIES):
        request = AWSRequest(method, api + path, data=data)
        credentials = session.get_credentials()
        assert credentials, "the environment has credentials"
        SigV4Auth(credentials, "execute-api", session.region_name).add_auth(request)
        prepared = request.prepare()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(
                    prepared.url,
                    data=None if data is None else data.encode(),
                    headers=dict(prepared.headers),
                    method=method,
                )
            ) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503) or attempt == _TRIES - 1:
                raise
            time.sleep(0.1 * 2**attempt)
    raise AssertionError
