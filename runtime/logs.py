"""Logs: one JSON object a line on stdout, from our own code and from every library.

A line holds what happened, when, the request id (`logref` of an error answer) and the tenant. It never
holds a secret, a token or a body: members with such names are masked, so is what looks like a
credential, so are the secrets of the settings wherever they turn up; bytes appear as their count, and
of an exception that is not ours only its type and place, since its message may quote what was sent.
JSON escapes CR and LF, so one event is one line whatever a client sends.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Collection, Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import msgspec

_HAS_RICH = "rich" in sys.modules
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # None makes structlog's try-import fail
import structlog  # noqa: E402  # it would load a terminal's colours: a third of a second in each process

if not _HAS_RICH:
    del sys.modules["rich"]

from schemas.errors import ServiceError  # noqa: E402

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request in hand, set by the door: every line written for it carries it."""

TEXT_LENGTH_MAX = 2_000
"""Longer values are cut: a log is no place for what a client sends."""
HIDDEN_LENGTH_MIN = 5
"""A shorter secret is a part of ordinary words."""
DEPTH_MAX = 4
CAUSES_MAX = 4
FRAMES_MAX = 12
MASK = "…"

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50, "exception": 40}

_SENSITIVE = re.compile(
    r"authorization|token|secret|password|passwd|cookie|assertion|credential|api_?key|private_?key"
    r"|^body$|_body$",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(
    r"(?i:\b(?:bearer|basic)\s+)[\w\-.~+/=]+"  # headers
    r"|\beyJ[\w-]+\.[\w-]*\.?[\w-]*"  # JSON web tokens
    r"|(?<=://)[^/@\s]+(?=@)"  # user and password of an address
)
_SHOWN_MESSAGES = (ServiceError, OSError, TimeoutError, AssertionError)
"""Exceptions whose message speaks of the system, not of somebody's data."""


class _Lines:
    """Writes events; one for the process, so that libraries and our own code share a stream."""

    def __init__(self, stream: TextIO, level: int, hidden: Collection[str]) -> None:
        self.level = level
        self._stream = stream
        secrets = {text for text in hidden if len(text) >= HIDDEN_LENGTH_MIN}
        self._hidden = sorted(secrets, key=len, reverse=True)

    def write(self, event: Mapping[str, object]) -> None:
        line = _encode(_masked(dict(event), self._hidden, 0))
        self._stream.write(line + "\n")
        self._stream.flush()


class _ToLines:
    """The end of structlog's chain: what its `PrintLogger` is, for finished events."""

    def __init__(self, lines: _Lines, name: str) -> None:
        self._lines = lines
        self._named = {"logger": name} if name else {}

    def msg(self, **event: object) -> None:
        self._lines.write({**event, **self._named})

    log = debug = info = warn = warning = error = critical = exception = fatal = msg


class _FromLibraries(logging.Handler):
    """Hands records of the standard library's logging over."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        event: dict[str, object] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **structlog.contextvars.get_contextvars(),
            **_of_request(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            event["exception"] = describe(record.exc_info[1])
        self._lines.write(event)


def configure(level: str = "info", *, hidden: Collection[str] = (), stream: TextIO | None = None) -> None:
    """Send every log of this process to the stream (None: stdout); `hidden` texts are masked anywhere."""
    lines = _Lines(stream or sys.stdout, LEVELS[level], hidden)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _finish],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda name="": _ToLines(lines, name),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_FromLibraries(lines)]
    root.setLevel(max(LEVELS[level], logging.WARNING) if level != "debug" else logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write what ends a process as a line like any other; a traceback's last line may quote a body."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger("process").critical("uncaught", exc_info=error)


def describe(error: BaseException) -> list[dict[str, object]]:
    """Give an exception and its causes: type, place, and the message where it cannot quote a body."""
    described: list[dict[str, object]] = []
    current: BaseException | None = error
    while current is not None and len(described) < CAUSES_MAX:
        frames = traceback.extract_tb(current.__traceback__)[-FRAMES_MAX:]
        one: dict[str, object] = {
            "type": type(current).__qualname__,
            "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if isinstance(current, _SHOWN_MESSAGES):
            one["message"] = str(current)
        described.append(one)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return described


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _finish(
    _: object, method: str, event: MutableMapping[str, object]
) -> tuple[tuple[()], dict[str, object]]:
    """Complete an event: time, level, exception."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = describe(error)
    level = "error" if method == "exception" else method
    now = datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    return (), {"time": now, "level": level, **event, **_of_request()}


def _of_request() -> dict[str, str]:
    number = request_id.get()
    return {"request_id": number} if number else {}


def _masked(value: object, hidden: Collection[str], depth: int) -> object:
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, MASK)
        return _CREDENTIALS.sub(MASK, value[:TEXT_LENGTH_MAX])
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, BaseException):
        return describe(value)[0]
    if depth >= DEPTH_MAX:
        return MASK
    if isinstance(value, Mapping):
        return {
            str(name): MASK if _SENSITIVE.search(str(name)) else _masked(inner, hidden, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(inner, hidden, depth + 1) for inner in value]
    return f"<{type(value).__qualname__}>"


def _encode(event: object) -> str:
    try:
        return msgspec.json.encode(event).decode()
    except UnicodeEncodeError:  # a lone surrogate in something that a client named
        text = repr(event).encode("ascii", "backslashreplace").decode()
        return msgspec.json.encode({"event": "unprintable", "text": text}).decode()
