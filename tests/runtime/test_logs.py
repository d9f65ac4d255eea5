"""Logs: JSON on stdout, request id, tenant; no secret, token or body; CR and LF forge no line."""

import io
import json
import logging
import sys

import pytest
import structlog

from runtime import logs
from schemas.errors import StoreUnavailable

CANARY = "canary-5a1f"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJ0ZW4iOiJhY21lIn0.c2lnbmF0dXJl"


@pytest.fixture
def lines():
    """Configure logging into a buffer; gives a function that reads the events; puts everything back."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook)
    buffer = io.StringIO()
    logs.configure("info", hidden=[CANARY], stream=buffer)
    yield lambda: [json.loads(line) for line in buffer.getvalue().splitlines()]
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, sys.excepthook = before


def test_line_names_time_level_request_and_tenant(lines):
    """A line has what finds it again: time, level, event, request id (the error's logref) and tenant."""
    with structlog.contextvars.bound_contextvars(request_id="7f3a", tenant="acme"):
        structlog.get_logger("api").warning("refused", status=429)

    [line] = lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "api",
        "event": "refused",
        "status": 429,
        "request_id": "7f3a",
        "tenant": "acme",
    }


def test_libraries_log_in_the_same_form(lines):
    """A record of the standard library is a line like ours, with the request that it happened in."""
    with structlog.contextvars.bound_contextvars(request_id="7f3a"):
        logging.getLogger("cassandra").error("lost %s", "host")
        logging.getLogger("cassandra").info("chatter")

    [line] = lines()
    assert (line["logger"], line["event"], line["request_id"]) == ("cassandra", "lost host", "7f3a")


def test_level_is_a_floor(lines):
    """What is below the level does not appear."""
    structlog.get_logger().debug("detail")

    assert lines() == []


@pytest.mark.parametrize(
    "log",
    [
        lambda log: log.info("x", authorization=f"Bearer {CANARY}"),
        lambda log: log.info("x", access_token="made-up-canary"),
        lambda log: log.info("x", client_secret="made-up-canary"),
        lambda log: log.info("x", password="made-up-canary"),
        lambda log: log.info("x", body=b'{"v":"made-up-canary"}'),
        lambda log: log.info("x", request_body="made-up-canary"),
        lambda log: log.info("x", octets=b"made-up-canary"),
        lambda log: log.info(
            "x", headers={"Cookie": "made-up-canary", "nested": {"apiKey": "made-up-canary"}}
        ),
        lambda log: log.info("called with Authorization: Bearer made-up-canary"),
        lambda log: log.info("called with Basic bWFkZS11cC1jYW5hcnk6eA=="),
        lambda log: log.info(JWT),
        lambda log: log.info("cannot reach redis://user:made-up-canary@host:6379/0"),
        lambda log: log.info(CANARY),
        lambda log: log.info("x", rows=[[{"secret": "made-up-canary"}]]),
        lambda log: log.error("x", exc_info=ValueError("body was made-up-canary")),
        lambda log: log.error("x", reason=ValueError("body was made-up-canary")),
        lambda log: log.error("x", exc_info=StoreUnavailable(f"redis://:{CANARY}@host")),
        lambda log: log.info("x", thing=type("Thing", (), {"__repr__": lambda _: "made-up-canary"})()),
        lambda _: logging.getLogger("httpx").error("sent Bearer made-up-canary"),
        lambda _: logging.getLogger("driver").error("lost", exc_info=ValueError("made-up-canary")),
    ],
)
def test_no_canary_gets_through(lines, log):
    """No secret, token or body appears in a line, whichever way it is handed to the log (S16)."""
    log(structlog.get_logger())

    text = json.dumps(lines())
    assert text != "[]"
    for canary in ("canary-5a1f", "made-up-canary", "bWFkZS11cC1jYW5hcnk6eA", "eyJ0ZW4i", "c2lnbmF0dXJl"):
        assert canary not in text


def test_client_cannot_forge_a_line(lines):
    """CR and LF from a client stay inside the one line that they belong to."""
    structlog.get_logger().info("path /x\r\n{}", path='/x\r\n{"event":"forged"}\u2028', name="\ud800\n")

    assert len(lines()) == 1


def test_exception_shows_type_place_and_cause(lines):
    """Of an exception the log has the type, the frames, its causes, and our own messages."""
    try:
        try:
            {}["made-up-canary"]
        except KeyError as error:
            raise StoreUnavailable("The store did not answer.") from error
    except StoreUnavailable:
        structlog.get_logger().exception("failed")

    [line] = lines()
    outer, inner = line["exception"]
    assert (line["level"], outer["type"], outer["message"]) == (
        "error",
        "StoreUnavailable",
        "The store did not answer.",
    )
    assert "test_exception_shows" in outer["frames"][-1]
    assert (inner["type"], "message" in inner) == ("KeyError", False)


def test_long_values_are_cut(lines):
    """A log line is bounded: 2,000 characters a value."""
    structlog.get_logger().info("x", path="a" * 10_000)

    assert len(lines()[0]["path"]) == logs.TEXT_LENGTH_MAX


def test_end_of_a_process_is_a_line_too(lines):
    """What nobody caught is logged in the same form, without its message."""
    error = ValueError("made-up-canary")
    sys.excepthook(ValueError, error, None)

    [line] = lines()
    assert (line["level"], line["event"], line["exception"][0]["type"]) == (
        "critical",
        "uncaught",
        "ValueError",
    )
    assert "made-up-canary" not in json.dumps(line)
