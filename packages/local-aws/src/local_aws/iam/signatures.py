"""Request signatures: parsed strictly, and verified if the secret is known.

Known secrets are those of users' access keys and roles' sessions, issued by the local IAM and STS,
and of `local_aws.clients.OWNER`. Any other access key is the account's administrator's, whose
secret is unknown, so its signature cannot be verified. This detects programs that sign incorrectly,
as AWS does; it is no security boundary against code on this machine. Format, date and expiry are
checked for every key.

Signatures are computed by botocore's own signers over the request as it arrived; only those of a
body's chunks, which botocore never makes, are computed here.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from botocore import auth
from botocore.compat import HTTPHeaders
from moto.core.request import Request, environ_key_for_header
from moto.s3.responses import S3Response
from moto.s3.utils import bucket_name_from_url

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.clients import Credentials

SKEW = timedelta(minutes=15)  # maximum clock difference of a request's date
_LONGEST: Final = 604_800  # maximum validity of a presigned URL in seconds
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"
_EMPTY: Final = sha256().hexdigest()
_PAYLOADS: Final = (
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
)
_STAMP: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_HASH: Final = re.compile("[0-9a-f]{64}")
_HEADER_FIELDS: Final = ("Credential", "Signature", "SignedHeaders")
_QUERY_FIELDS: Final = ("Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires")
_OLD_QUERY_FIELDS: Final = ("Signature", "Expires", "AWSAccessKeyId")
_READ: Final = "local_aws.signed"  # key of the parsed signature in a request's environ
_BODY: Final = "local_aws.body_sha256"
_CHUNKS: Final = "local_aws.chunk_signatures"


class SignatureError(AwsError):
    """A request's signature is invalid.

    Attributes:
        status: of the HTTP answer.
    """

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(code, message)
        self.status = status


@dataclass(frozen=True)
class Signed:
    """The parsed signature of a request.

    Attributes:
        access_key: the access key ID.
        signature: the signature as sent.
        token: the session token, if any.
        scope: the credential's date, region, service and `aws4_request`; empty for version 2.
        headers: names of the signed headers in version 4, as sent.
        moment: the time of signing; for version 2 in a query, the expiry.
        in_query: whether it is a presigned URL.
        expires: the validity of a presigned URL of version 4.
    """

    access_key: str
    signature: str
    token: str | None
    service: str
    moment: datetime
    in_query: bool
    scope: tuple[str, str, str, str] | tuple[()] = ()
    headers: tuple[str, ...] = ()
    expires: timedelta | None = None

    @property
    def stamp(self) -> str:
        """When it was signed, as version 4 writes it."""
        return f"{self.moment:{_TIMESTAMP}}"

    def check(self, request: Request, credentials: Credentials | None, *, unsigned: bool) -> None:
        """Check the date and, if the secret is known, the signature.

        Args:
            request: the signed request.
            credentials: credentials of the access key; None if the secret is unknown.
            unsigned: whether the operation's body need not be signed.

        Raises:
            SignatureError: it is not yet or no longer valid, or does not match the request.
        """
        self._check_time()
        payload = self._payload(request, unsigned)
        if credentials is None:
            return
        if self.token != credentials.session_token:
            raise self._unknown_token()
        if self.scope:
            self._check_headers(request)
            key = signing_key(credentials.secret_access_key, *self.scope[:3])
            right = _Version4(self, payload).signature_of(request, key)
            if payload.startswith("STREAMING-AWS4"):
                request.environ[_CHUNKS] = ChunkSignatures(key, self)
        else:
            right = _version_2(self, request, credentials)
        if not hmac.compare_digest(right.encode(), self.signature.encode()):
            raise self._mismatch()

    def _check_time(self) -> None:
        now = _now()
        presigned = self.in_query and self.service == "s3"
        if not self.scope and self.in_query:
            if now > self.moment:
                raise SignatureError("AccessDenied", "Request has expired")
        elif self.moment > now + SKEW:
            if presigned:
                raise SignatureError("AccessDenied", "Request is not yet valid")
            limit = now + SKEW
            raise self._skewed(f"not yet current: {self.moment:{_TIMESTAMP}} is still later", limit)
        elif now > self.moment + (self.expires or SKEW):
            if presigned:
                raise SignatureError("AccessDenied", "Request has expired")
            limit = now - (self.expires or SKEW)
            raise self._skewed(f"expired: {self.moment:{_TIMESTAMP}} is now earlier", limit)

    def _skewed(self, how: str, limit: datetime) -> SignatureError:
        if self.service == "s3":
            return SignatureError(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )
        if self.service == "ec2":
            return SignatureError("RequestExpired", "Request has expired.", 400)
        words = f"Signature {how} than {limit:{_TIMESTAMP}}"
        return SignatureError("SignatureDoesNotMatch", words)

    def _payload(self, request: Request, unsigned: bool) -> str:
        """The signed hash of the body; S3 compares it with the body later."""
        stated = request.headers.get("X-Amz-Content-Sha256")
        if self.service == "s3":
            if self.in_query or not self.scope:
                return stated or request.args.get("X-Amz-Content-Sha256") or _PAYLOADS[0]
            if stated is None:
                raise SignatureError(
                    "InvalidRequest",
                    "Missing required header for this request: x-amz-content-sha256",
                    400,
                )
            if stated.startswith("STREAMING-AWS4-ECDSA"):
                raise NotImplementedByLocalAws(f"a body signed as {stated}")
            if stated not in _PAYLOADS and not _HASH.fullmatch(stated):
                raise SignatureError(
                    "InvalidArgument",
                    f"x-amz-content-sha256 must be one of {', '.join(_PAYLOADS)}, or a valid "
                    "sha256 value.",
                    400,
                )
            return stated
        found: str = request.environ.get(_BODY, _EMPTY)
        if stated not in (None, found) and not (unsigned and stated == _PAYLOADS[0]):
            raise self._mismatch()
        return stated or found

    def _check_headers(self, request: Request) -> None:
        """Refuse unsigned headers, which others could have added."""
        signed = {environ_key_for_header(name) for name in self.headers}
        missing = {
            name.removeprefix("HTTP_").lower().replace("_", "-")
            for name in request.environ
            if name not in signed and (name.startswith("HTTP_X_AMZ_") or name == "HTTP_HOST")
        }
        if missing and self.service == "s3":
            raise SignatureError(
                "AccessDenied",
                "There were headers present in the request which were not signed: "
                f"{', '.join(sorted(missing))}",
            )
        if missing and not self.in_query:
            raise SignatureError(
                "SignatureDoesNotMatch",
                f"'{min(missing)}' must be a 'SignedHeader' in the AWS Authorization.",
            )

    def _unknown_token(self) -> SignatureError:
        if self.service == "s3" and self.token:
            return SignatureError(
                "InvalidToken", "The provided token is malformed or otherwise invalid.", 400
            )
        if self.service == "s3":
            return SignatureError(
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            )
        return SignatureError(
            "InvalidClientTokenId", "The security token included in the request is invalid."
        )

    def _mismatch(self) -> SignatureError:
        return mismatch(self.service)


def _now() -> datetime:
    return datetime.now(UTC)


def mismatch(service: str) -> SignatureError:
    """The error of a signature that does not match."""
    more = (
        "Check your key and signing method."
        if service == "s3"
        else "Check your AWS Secret Access Key and signing method. Consult the service "
        "documentation for details."
    )
    return SignatureError(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. " + more,
    )


def keep_body(request: Request) -> None:
    """Store a body's hash before moto parses a form, which discards the bytes."""
    body = request.__dict__.get("_cached_data")
    if body is None:
        body = request.stream.read()
        request.stream = BytesIO(body)
    request.environ[_BODY] = sha256(body).hexdigest()


def chunk_signatures(request: Request) -> "ChunkSignatures | None":
    """The verifier of a body's chunks; None if not required or possible."""
    found: ChunkSignatures | None = request.environ.get(_CHUNKS)
    return found


def read(request: Request, service: str) -> Signed | None:
    """Parse a request's signature; None if it is unsigned.

    Args:
        request: a request.
        service: its signing name, such as `s3`, the only service with version 2.

    Raises:
        SignatureError: the signature is malformed.
    """
    if _READ not in request.environ:
        request.environ[_READ] = _read(request, service)
    found: Signed | None = request.environ[_READ]
    return found


def _read(request: Request, service: str) -> Signed | None:
    header = request.headers.get("Authorization")
    text = request.query_string.decode("latin-1")
    pairs = parse_qsl(text, keep_blank_values=True) if text else []
    query = dict(pairs)
    old = service == "s3" and ("AWSAccessKeyId" in query or "Signature" in query)
    new = any(name in query for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"))
    if (header is not None) + old + new > 1:
        raise SignatureError(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
            "query string parameter or the Authorization header should be specified",
            400,
        )
    if (old or new) and len(pairs) != len(query):
        raise SignatureError(
            "AuthorizationQueryParametersError" if service == "s3" else "IncompleteSignature",
            "A query parameter of a presigned URL is given twice",
            400,
        )
    if new:
        return _presigned(query, service)
    if old:
        return _presigned_by_version_2(query, service)
    if header is None:
        return None
    kind, _, rest = header.partition(" ")
    if kind == "AWS" and service == "s3":
        return _by_version_2(rest, request)
    if kind == "AWS4-ECDSA-P256-SHA256":
        raise NotImplementedByLocalAws("signatures of version 4A (AWS4-ECDSA-P256-SHA256)")
    if kind != _ALGORITHM:
        if service == "s3":
            raise SignatureError("InvalidArgument", "Unsupported Authorization Type", 400)
        return None
    return _by_header(rest, request, service)


def _by_header(text: str, request: Request, service: str) -> Signed:
    parts = [part.strip().partition("=") for part in text.split(",")]
    fields = {name: value for name, _, value in parts}
    scope = fields.get("Credential")
    if scope:
        _check_scope(scope, service)
    date = request.headers.get("X-Amz-Date") or request.headers.get("Date")
    lacking = [name for name in _HEADER_FIELDS if not fields.get(name)]
    if lacking or len(parts) != len(_HEADER_FIELDS) or scope is None:
        if service == "s3":
            raise SignatureError(
                "AuthorizationHeaderMalformed",
                "The authorization header is malformed; the authorization header requires three "
                "components: Credential, SignedHeaders, and Signature.",
                400,
            )
        told = [f"Authorization header requires '{name}' parameter." for name in lacking]
        if date is None:
            told.append(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' "
                "header."
            )
        raise _incomplete(" ".join([*told, f"Authorization={_ALGORITHM} {text}".strip()]))
    if date is None and service == "s3":
        raise SignatureError(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        )
    if date is None:
        raise _incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
            f"Authorization={_ALGORITHM} {text}"
        )
    moment = _moment(date, service)
    return _of_version_4(
        scope,
        service,
        moment,
        signature=fields["Signature"],
        token=request.headers.get("X-Amz-Security-Token"),
        headers=tuple(fields["SignedHeaders"].split(";")),
        in_query=False,
    )


def _presigned(query: dict[str, str], service: str) -> Signed:
    fields = {name: query.get(f"X-Amz-{name}", "") for name in _QUERY_FIELDS}
    needed = [name for name in _QUERY_FIELDS if name != "Expires" or service == "s3"]
    if any(not fields[name] for name in needed):
        names = [f"X-Amz-{name}" for name in needed]
        raise _query_error(
            service,
            "Query-string authentication version 4 requires the "
            f"{', '.join(names[:-1])}, and {names[-1]} parameters.",
        )
    if fields["Algorithm"] != _ALGORITHM:
        raise _query_error(service, f'X-Amz-Algorithm only supports "{_ALGORITHM}"')
    _check_scope(fields["Credential"], service, "Query")
    expires = fields["Expires"] or "900"
    if not re.fullmatch(r"-?\d{1,20}", expires, re.ASCII):
        raise _query_error(service, "X-Amz-Expires should be a number")
    if int(expires) < 0:
        raise _query_error(service, "X-Amz-Expires must be non-negative")
    if int(expires) > _LONGEST:
        raise _query_error(
            service,
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            f"X-Amz-Expires must be less than {_LONGEST} seconds",
        )
    try:
        if not _STAMP.fullmatch(fields["Date"]):
            raise ValueError
        moment = datetime.fromisoformat(fields["Date"])
    except ValueError:
        raise _query_error(
            service, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        ) from None
    return _of_version_4(
        fields["Credential"],
        service,
        moment,
        signature=fields["Signature"],
        token=query.get("X-Amz-Security-Token"),
        headers=tuple(fields["SignedHeaders"].split(";")),
        in_query=True,
        expires=timedelta(seconds=int(expires)),
    )


def _of_version_4(credential: str, service: str, moment: datetime, **more: Any) -> Signed:
    access_key, date, region, of, term = credential.split("/")
    where = "Query" if more["in_query"] else "Header"
    if date != f"{moment:%Y%m%d}":
        raise _bad_credential(
            service,
            where,
            f'incorrect date "{date}". This is not the date of the request, "{moment:%Y%m%d}".',
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{date}' != '{moment:%Y%m%d}', from '{moment:{_TIMESTAMP}}'.",
        )
    return Signed(
        access_key=access_key,
        service=service,
        moment=moment,
        scope=(date, region, of, term),
        **more,
    )


def _check_scope(credential: str, service: str, where: str = "Header") -> None:
    if credential.count("/") != 4:
        words = (
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{credential}'"
        )
        raise _bad_credential(service, where, f"{words}.", words)
    access_key, _, _, of, term = credential.split("/")
    if not re.fullmatch(r"\w+", access_key, re.ASCII):
        words = f'the Credential is mal-formed; the access key "{access_key}" is none.'
        raise _bad_credential(service, where, words, words)
    if term != "aws4_request":
        words = f"Credential should be scoped with a valid terminator: 'aws4_request', not '{term}'"
        raise _bad_credential(service, where, f"{words}.", words)
    if service == "s3" and of != "s3":
        raise _bad_credential(
            service, where, f'incorrect service "{of}". This endpoint belongs to "s3".', ""
        )


def _bad_credential(service: str, where: str, for_s3: str, words: str) -> SignatureError:
    if service != "s3":
        code = "IncompleteSignature" if "slash" in words else "SignatureDoesNotMatch"
        return SignatureError(code, words, 400 if code == "IncompleteSignature" else 403)
    if where == "Query":
        words = f"Error parsing the X-Amz-Credential parameter; {for_s3}"
        return SignatureError("AuthorizationQueryParametersError", words, 400)
    words = f"The authorization header is malformed; {for_s3}"
    return SignatureError("AuthorizationHeaderMalformed", words, 400)


def _query_error(service: str, words: str) -> SignatureError:
    code = "AuthorizationQueryParametersError" if service == "s3" else "IncompleteSignature"
    return SignatureError(code, words, 400)


def _incomplete(words: str) -> SignatureError:
    return SignatureError("IncompleteSignature", words, 400)


def _moment(date: str, service: str) -> datetime:
    """A date of a request, as version 4 writes it, or as HTTP does."""
    try:
        if _STAMP.fullmatch(date):
            return datetime.fromisoformat(date)
        return parsedate_to_datetime(date).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        if service == "s3":
            raise SignatureError(
                "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
            ) from None
        raise _incomplete(
            f"Date must be in ISO-8601 'basic format'. Got '{date}'. See "
            "http://en.wikipedia.org/wiki/ISO_8601"
        ) from None


def _presigned_by_version_2(query: dict[str, str], service: str) -> Signed:
    if any(not query.get(name) for name in _OLD_QUERY_FIELDS):
        raise SignatureError(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId "
            "parameters",
        )
    try:
        moment = datetime.fromtimestamp(int(query["Expires"]), UTC)
    except (ValueError, OverflowError, OSError):
        raise SignatureError(
            "AccessDenied", f"Invalid date (should be seconds since epoch): {query['Expires']}"
        ) from None
    return Signed(
        access_key=query["AWSAccessKeyId"],
        signature=query["Signature"],
        token=query.get("x-amz-security-token"),
        service=service,
        moment=moment,
        in_query=True,
    )


def _by_version_2(text: str, request: Request) -> Signed:
    access_key, _, signature = text.partition(":")
    if not re.fullmatch(r"\w+", access_key, re.ASCII) or not signature:
        raise SignatureError(
            "InvalidArgument",
            "AWS authorization header is invalid. Expected AwsAccessKeyId:signature",
            400,
        )
    date = request.headers.get("X-Amz-Date") or request.headers.get("Date") or ""
    return Signed(
        access_key=access_key,
        signature=signature,
        token=request.headers.get("X-Amz-Security-Token"),
        service="s3",
        moment=_moment(date, "s3"),
        in_query=False,
    )


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Derive the version 4 signing key from a secret for a day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


@dataclass
class _Rebuilt:
    """Convert a request for botocore's signers."""

    method: str
    url: str
    headers: "_Headers"
    params: list[tuple[str, str]]
    context: dict[str, Any] = field(default_factory=dict)


class _Headers(dict[str, str]):
    """Headers by their names in small letters, with what botocore's signer asks of them."""

    def get_all(self, name: str) -> list[str]:
        """The values of a header: the server has joined them."""
        return [self[name]]


class _Version4(auth.SigV4Auth):
    """botocore's signer, restricted to a request's signed parts."""

    def __init__(self, signed: Signed, payload: str) -> None:
        _, region, service, _ = signed.scope or ("",) * 4
        unused: Any = None  # the derived key is cached by credentials
        super().__init__(unused, service, region)
        self._signed, self._payload = signed, payload

    def signature_of(self, request: Request, key: bytes) -> str:
        """Compute the signature of a request."""
        signed = self._signed
        found = request.environ
        headers = _Headers(
            (name, _text(found.get(environ_key_for_header(name), ""))) for name in signed.headers
        )
        query = request.query_string.decode("latin-1")
        parts = parse_qsl(query, keep_blank_values=True) if query else []
        rebuilt: Any = _Rebuilt(
            request.method,
            f"http://host{_path(request, signed.service)}",  # the host's header is signed
            headers,
            [pair for pair in parts if pair[0] != "X-Amz-Signature" or not signed.in_query],
            {"timestamp": signed.stamp},
        )
        told = self.string_to_sign(rebuilt, self.canonical_request(rebuilt))
        return _hmac(key, told).hex()

    def headers_to_sign(self, request: Any) -> Any:
        return request.headers

    def payload(self, request: Any) -> str:
        return self._payload

    def _normalize_url_path(self, path: str) -> str:
        if self._signed.service == "s3":
            return path
        signer: Any = super()
        return str(signer._normalize_url_path(path))


def _path(request: Request, service: str) -> str:
    """The path as sent; S3 signs it decoded and re-encoded."""
    path = request.raw_path
    return quote(unquote_to_bytes(path), safe="/~") if service == "s3" else path


def _text(value: str) -> str:
    """A header's value, which WSGI passes as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


class _Version2(auth.HmacV1Auth):
    """botocore's signer, with the request's own date."""

    def __init__(self, credentials: Any, date: str) -> None:
        super().__init__(credentials)
        self._date = date

    def _get_date(self) -> str:
        return self._date


def _version_2(signed: Signed, request: Request, credentials: Credentials) -> str:
    """Compute the version 2 signature of a request."""
    names = ("content-md5", "content-type")
    headers: Any = HTTPHeaders()
    for name, value in request.headers.items():
        if name.lower() in names or name.lower().startswith("x-amz-"):
            headers[name.lower()] = _text(value)
    if signed.in_query:
        date = str(int(signed.moment.timestamp()))
        for name, value in parse_qsl(request.query_string.decode("latin-1")):
            if name.startswith("x-amz-") and name not in headers:
                headers[name] = value
    else:
        date = "" if "x-amz-date" in headers else request.headers.get("Date", "")
    path = request.raw_path
    if S3Response.subdomain_based_buckets(request):
        path = f"/{bucket_name_from_url(request.raw_url)}{path}"
    secret = _Secret(credentials.secret_access_key, credentials.session_token)
    signature = _Version2(secret, date).get_signature(
        request.method, urlsplit(request.raw_url), headers, auth_path=path
    )
    return str(signature)


@dataclass(frozen=True)
class _Secret:
    """Credentials by botocore's names."""

    secret_key: str
    token: str | None


class ChunkSignatures:
    """Verifies the chunks of a body, each of which signs the one before with it.

    Args:
        key: the signing key of the request.
        signed: the request's own signature, with which the chain begins.
    """

    def __init__(self, key: bytes, signed: Signed) -> None:
        self._key = key
        self._before = signed.signature
        self._scope = f"{signed.stamp}\n{'/'.join(signed.scope)}"

    def check(self, digest: str, signature: str) -> None:
        """Verify the next chunk, by the hexadecimal SHA-256 of its data.

        Raises:
            SignatureError: the chunk does not match its signature.
        """
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{_EMPTY}\n{digest}", signature)

    def check_trailer(self, lines: bytes, signature: str) -> None:
        """Verify the trailing headers, as `name:value` lines.

        Raises:
            SignatureError: the headers do not match their signature.
        """
        self._check("AWS4-HMAC-SHA256-TRAILER", sha256(lines).hexdigest(), signature)

    def _check(self, kind: str, rest: str, signature: str) -> None:
        right = _hmac(self._key, f"{kind}\n{self._scope}\n{self._before}\n{rest}").hex()
        if not hmac.compare_digest(right.encode(), signature.encode()):
            raise mismatch("s3")
        self._before = signature
