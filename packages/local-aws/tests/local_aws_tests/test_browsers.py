"""No web page may use the local AWS: by rules, and in a real browser."""

import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest

from local_aws.server import LocalAws
from local_aws_tests.http_clients import dated, signed
from tests.reliability import Tally

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

CREATE = "Action=CreateStack&Version=2010-05-15&StackName=foreign&TemplateBody=" + (
    "%7B%22Resources%22%3A%7B%22B%22%3A%7B%22Type%22%3A%22AWS%3A%3AS3%3A%3ABucket%22%7D%7D%7D"
)
REFUSED = "NotImplementedByLocalAws"
FORM = "application/x-www-form-urlencoded"
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
LISTED = "<Name>books</Name>"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        s3 = client(running, "s3")
        s3.create_bucket(Bucket="books")
        words = b"secret words"
        s3.put_object(Bucket="books", Key="a.txt", Body=words, ContentType="text/plain")
        page = b"<title>stored</title><script>document.title = 'script ran'</script>words"
        s3.put_object(Bucket="books", Key="a.svg", Body=PICTURE, ContentType="image/svg+xml")
        s3.put_object(Bucket="books", Key="a.html", Body=page, ContentType="text/html")
        yield running


def client(aws: LocalAws, service: str) -> Any:
    credentials = {
        "aws_access_key_id": aws.environment()["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": aws.environment()["AWS_SECRET_ACCESS_KEY"],
    }
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=aws.url,
        region_name="us-east-1",
        **credentials,
    )


def state(aws: LocalAws) -> tuple[list[str], list[str]]:
    """The names of the stacks and the buckets."""
    stacks = client(aws, "cloudformation").describe_stacks()["Stacks"]
    buckets = client(aws, "s3").list_buckets()["Buckets"]
    return [one["StackName"] for one in stacks], [one["Name"] for one in buckets]


@pytest.fixture
def unchanged(aws: LocalAws) -> Iterator[None]:
    before = state(aws)
    yield
    assert state(aws) == before == ([], ["books"])


def port(aws: LocalAws) -> int:
    return int(urlsplit(aws.url).port or 0)


def ask(
    aws: LocalAws, method: str, target: str, headers: dict[str, str], body: str | None = None
) -> tuple[int, dict[str, str], str]:
    """What is answered to a request with exactly these headers, and a Host if they name none."""
    connection = http.client.HTTPConnection("127.0.0.1", port(aws), timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in dated({"Host": f"127.0.0.1:{port(aws)}"} | headers).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode() if body is not None else None)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, answer.read().decode()
    finally:
        connection.close()


def describe(aws: LocalAws, **headers: str) -> tuple[int, dict[str, str], str]:
    """A signed DescribeStacks with further headers."""
    own = signed("cloudformation") | {"Content-Type": FORM}
    return ask(aws, "POST", "/", own | headers, "Action=DescribeStacks&Version=2010-05-15")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}",
        "localhost:{port}",
        "LOCALHOST:{port}",
        "[::1]:{port}",
        "books.localhost:{port}",
        "books.s3.localhost:{port}",
        "127.0.0.1",
        "localhost",
        "abc123.execute-api.us-east-1.amazonaws.com",
        "s3vectors.us-east-1.api.aws",
        "cloudformation.us-east-1.amazonaws.com:443",
    ],
)
def test_own_and_aws_hosts_are_accepted(aws: LocalAws, host: str) -> None:
    status, _, told = describe(aws, Host=host.format(port=port(aws)))
    assert status == 200, told


@pytest.mark.parametrize("host", ["books.s3.amazonaws.com", "books.s3.us-east-1.amazonaws.com"])
def test_virtual_hosted_bucket_is_accepted(aws: LocalAws, host: str) -> None:
    status, _, told = ask(aws, "GET", "/a.txt", signed("s3") | {"Host": host})
    assert (status, told) == (200, "secret words")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "evil.example",
        "localhost:1",
        "127.0.0.1:99999",
        "localhost.evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "amazonaws.com.evil.example",
        "evilamazonaws.com",
        "localhost.:{port}",
        "me@localhost:{port}",
        "localhost:{port}, evil.example",
        "0.0.0.0:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "localhost:{port}\x85",
    ],
)
def test_foreign_host_is_refused(aws: LocalAws, tally: Tally, host: str) -> None:
    tally("faults injected", "requests that a web page could make")
    status, headers, told = describe(aws, Host=host.format(port=port(aws)))
    assert status == 403
    assert "<Code>AccessDenied</Code>" in told
    assert f"http://127.0.0.1:{port(aws)}" in told
    assert "access-control-allow-origin" not in headers


@pytest.mark.usefixtures("unchanged")
def test_absolute_target_overrides_the_host(aws: LocalAws) -> None:
    own = signed("s3")
    status, _, told = ask(aws, "GET", f"http://127.0.0.1:{port(aws)}/books", own)
    assert (status, LISTED in told) == (200, True)
    status, _, told = ask(aws, "GET", f"http://evil.example:{port(aws)}/books", own)
    assert (status, LISTED in told) == (403, False)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "chrome-extension://abcdef"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        },
        {"Sec-Fetch-Site": "none", "Origin": "http://evil.example"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_request_of_a_web_page_is_refused(
    aws: LocalAws, tally: Tally, method: str, headers: dict[str, str]
) -> None:
    tally("faults injected", "requests that a web page could make")
    own = signed("cloudformation") | {"Content-Type": FORM}
    query = "" if method in ("POST", "PUT") else f"?{CREATE}"
    body = CREATE if method in ("POST", "PUT") else None
    status, answered, told = ask(aws, method, f"/{query}", own | headers, body)
    assert status == 403
    assert method == "HEAD" or "web pages" in told
    assert not [name for name in answered if name.startswith("access-control-")]


def test_error_has_the_services_format(aws: LocalAws) -> None:
    foreign = {"Origin": "http://evil.example"}
    _, _, told = ask(aws, "GET", "/books", foreign)
    assert "<Error><Code>AccessDenied</Code>" in told
    _, _, told = describe(aws, **foreign)
    assert "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>" in told
    target = {
        "X-Amz-Target": "AmazonSSM.GetParameter",
        "Content-Type": "application/x-amz-json-1.1",
    }
    _, _, told = ask(aws, "POST", "/", foreign | target, "{}")
    assert json.loads(told)["__type"] == "AccessDenied"
    lambda_ = signed("lambda")
    _, headers, told = ask(aws, "GET", "/2015-03-31/functions", foreign | lambda_)
    assert headers["x-amzn-errortype"] == "AccessDenied"
    assert "web pages" in json.loads(told)["message"]


def test_presigned_address_may_be_opened_and_linked_to(aws: LocalAws) -> None:
    where = {"Bucket": "books", "Key": "a.txt"}
    target = client(aws, "s3").generate_presigned_url("get_object", where).removeprefix(aws.url)
    visit = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for site in ("none", "cross-site", "same-site"):
        status, _, told = ask(aws, "GET", target, visit | {"Sec-Fetch-Site": site})
        assert (status, told) == (200, "secret words")
    framed = visit | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}
    assert ask(aws, "GET", target, framed)[0] == 403
    for method in ("PUT", "DELETE", "POST"):
        assert ask(aws, method, target, visit | {"Sec-Fetch-Site": "cross-site"})[0] == 403


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "path",
    [
        "/moto-api/",
        "/moto-api/reset",
        "/moto-api/data.json",
        "/moto-api/seed?a=1",
        "/moto-api/config",
        "/moto-api/recorder/start-recording",
        "/moto-api/recorder/upload-recording",
        "//moto-api/reset",
        "/%6doto-api/reset",
        "/moto%2dapi/reset",
        "/./moto-api/reset",
        "/x/../moto-api/reset",
        "/%2e/moto-api/reset",
        "/favicon.ico",
        "/latest/meta-data/iam/security-credentials/",
        "/latest/api/token",
        "//latest/meta-data/",
    ],
)
@pytest.mark.parametrize("scope", [None, "motoapi.amazonaws.com", "moto_api"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_pages_of_moto_are_not_served(
    aws: LocalAws, tally: Tally, method: str, scope: str | None, path: str
) -> None:
    tally("faults injected", "requests to pages of moto")
    headers = signed(scope) if scope else {}
    for host in ("127.0.0.1", "motoapi.amazonaws.com", "169.254.169.254"):
        status, _, told = ask(aws, method, path, headers | {"Host": host})
        assert 400 <= status < 500 or (status, REFUSED in told) == (501, True), (host, told)
        assert "<Code>" in told or "__type" in told, (host, told)
    assert not Path("moto_recording").exists()


def test_preflight_is_refused(aws: LocalAws) -> None:
    """Without an Origin, as no browser sends it: it is unsigned, and no administrator."""
    asked = {"Access-Control-Request-Method": "POST"}
    assert ask(aws, "OPTIONS", "/", asked)[0] == 403
    status, _, told = ask(aws, "OPTIONS", "/books", asked)
    assert (status, REFUSED in told) == (501, True)
    assert ask(aws, "OPTIONS", "/books/a.txt", asked)[0] in (403, 501)


def test_bucket_cors_rules_are_not_applied(aws: LocalAws) -> None:
    s3 = client(aws, "s3")
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    s3.put_bucket_cors(Bucket="books", CORSConfiguration={"CORSRules": [rule]})
    try:
        where = {"Bucket": "books", "Key": "a.txt"}
        target = s3.generate_presigned_url("get_object", where).removeprefix(aws.url)
        status, headers, told = ask(aws, "GET", target, {"Origin": "http://evil.example"})
        assert (status, "secret" in told) == (403, False)
        assert "access-control-allow-origin" not in headers
    finally:
        s3.delete_bucket_cors(Bucket="books")


# In a real browser

PAGE = "<!doctype html><title>a page</title><body></body>"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of another server on this machine, with an empty page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def open_tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium on this machine (apt-get install chromium): no page is tried")
    from playwright.sync_api import sync_playwright

    arguments = (
        *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        "--host-resolver-rules=MAP *.example 127.0.0.1",
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=program, args=list(arguments)
        )
        yield browser.new_page
        browser.close()


@pytest.fixture
def foreign(open_tab: Any, elsewhere: int) -> Iterator["Tab"]:
    """A tab with a page of a foreign origin."""
    tab = open_tab()
    tab.goto(f"http://evil.example:{elsewhere}/")
    yield tab
    tab.close()


FETCH = """async ([url, options]) => {
    try {
        const answer = await fetch(url, options);
        return [answer.type, answer.status, await answer.text()];
    } catch (error) { return ["failed", 0, String(error)]; }
}"""


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.example"])
@pytest.mark.parametrize(
    "options",
    [
        {"method": "POST", "headers": signed("cloudformation") | {"Content-Type": FORM},
         "body": CREATE},
        {"method": "POST", "mode": "no-cors", "headers": {"Content-Type": FORM}, "body": CREATE},
        {"method": "GET", "mode": "no-cors"},
        {"method": "DELETE", "headers": signed("s3")},
    ],
    ids=["signed POST", "simple POST", "simple GET", "DELETE"],
)  # fmt: skip
def test_cross_site_fetch_is_refused(
    aws: LocalAws, foreign: "Tab", tally: Tally, name: str, options: dict[str, Any]
) -> None:
    tally("faults injected", "attacks by a page in Chromium")
    path = "books/a.txt" if options["method"] in ("GET", "DELETE") else ""
    options = options | {"headers": dated(options.get("headers", {}))}
    kind, status, told = foreign.evaluate(FETCH, [f"http://{name}:{port(aws)}/{path}", options])
    assert (kind, status) in (("failed", 0), ("opaque", 0))
    assert "secret" not in told


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("path", ["moto-api/reset", "books?delete", ""])
def test_cross_site_form_is_refused(
    aws: LocalAws, foreign: "Tab", tally: Tally, name: str, path: str
) -> None:
    tally("faults injected", "attacks by a page in Chromium")
    script = """url => {
        const form = document.createElement("form");
        [form.method, form.action] = ["post", url];
        document.body.append(form);
        form.submit();
    }"""
    with foreign.expect_navigation():
        foreign.evaluate(script, f"http://{name}:{port(aws)}/{path}")
    assert "not web pages" in foreign.content()


@pytest.mark.usefixtures("unchanged")
def test_cross_site_image_and_socket_are_refused(
    aws: LocalAws, foreign: "Tab", tally: Tally
) -> None:
    tally("faults injected", "attacks by a page in Chromium", 2)
    where = {"Bucket": "books", "Key": "a.svg"}
    target = client(aws, "s3").generate_presigned_url("get_object", where)
    script = """url => new Promise(done => {
        const image = new Image();
        image.onload = () => done("shown");
        image.onerror = () => done("refused");
        image.src = url;
    })"""
    assert foreign.evaluate(script, target) == "refused"
    script = """url => new Promise(done => {
        const socket = new WebSocket(url);
        socket.onopen = () => done("opened");
        socket.onerror = () => done("refused");
    })"""
    assert foreign.evaluate(script, f"ws://127.0.0.1:{port(aws)}/") == "refused"


@pytest.mark.usefixtures("unchanged")
def test_rebound_name_is_refused(aws: LocalAws, open_tab: Any, tally: Tally) -> None:
    """The page's own name leads to the local AWS: all is one origin for the browser."""
    tally("faults injected", "attacks by a page in Chromium")
    tab = open_tab()
    try:
        where = f"http://rebound.example:{port(aws)}/"
        answer = tab.goto(where)
        assert answer is not None and answer.status == 403
        options = {
            "method": "POST",
            "headers": dated(signed("cloudformation") | {"Content-Type": FORM}),
            "body": CREATE,
        }
        _, status, told = tab.evaluate(FETCH, [where, options])
        assert status == 403
        assert "does not answer to the host" in told
    finally:
        tab.close()


@pytest.mark.usefixtures("unchanged")
def test_presigned_address_is_shown_and_its_scripts_do_not_run(
    aws: LocalAws, foreign: "Tab"
) -> None:
    s3 = client(aws, "s3")
    typed = foreign.context.new_page()
    try:
        target = s3.generate_presigned_url("get_object", {"Bucket": "books", "Key": "a.txt"})
        answer = typed.goto(target)
        assert answer is not None and answer.status == 200
        assert "secret words" in typed.content()
        target = s3.generate_presigned_url("get_object", {"Bucket": "books", "Key": "a.html"})
        foreign.evaluate("url => { document.body.innerHTML = `<a href='${url}'>a</a>` }", target)
        foreign.click("a")
        foreign.wait_for_url(f"{aws.url}/books/a.html*")
        assert "words" in foreign.content()
        assert foreign.title() == "stored"
    finally:
        typed.close()
