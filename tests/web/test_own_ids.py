"""Addresses with the data's own ids bring them back, whatever is in them."""

from typing import Any
from urllib.parse import urljoin

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st

from web.own_ids import OwnId


@pytest.fixture(scope="module")
def app() -> Flask:
    app = Flask(__name__)
    app.url_map.converters["id"] = OwnId
    app.add_url_rule("/users/<id:user>", "user", lambda user: {"user": user})
    return app


printable = st.text(min_size=1, max_size=256).filter(str.isprintable)


@given(printable)
@example("a/b")
@example("..")
@example(".")
@example("50%")
@example("%2F")
@example("a//b?c#d;e\\f")
@example("李 0003")
def test_any_id_comes_back_from_its_address(app: Flask, own: str) -> None:
    with app.test_request_context():
        address: Any = app.url_for("user", user=own)
    # as a browser resolves a link
    assert urljoin("http://page/users/x", address) == f"http://page{address}"
    answer = app.test_client().get(address)
    assert (answer.status_code, answer.json) == (200, {"user": own})


def test_plain_ids_are_addressed_as_they_are_written(app: Flask) -> None:
    with app.test_request_context():
        assert app.url_for("user", user="bk-17") == "/users/bk-17"
    # percent-encoded once, as clients do by themselves
    answer = app.test_client().get("/users/M%C3%BCller%2C%20Karl%200019")
    assert answer.json == {"user": "Müller, Karl 0019"}
