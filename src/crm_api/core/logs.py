"""Structured logs: one JSON line per event, whatever the input, and no secret or personal text."""

import datetime as dt
import decimal
import logging
import re
import sys
import traceback
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from json import dumps
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

REDACTED: Final = "[redacted]"
MAX_NESTING: Final = 6
MAX_FRAMES: Final = 40

# Set by the HTTP middleware; every line that is written while a request runs carries it.
request_id: ContextVar[str] = ContextVar("request_id", default="")

_SECRET_KEY: Final = re.compile(
    "passw|passphrase|secret|token|authorization|cookie|api_?key|credential|private_?key",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:crm|crt|cin)_[A-Za-z0-9_\-]{6,}"
    r"|eyJ[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*)+"
    r"|\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=\-]{6,}"
    r"|://[^\s/@:]*:[^\s/@]+@"
    r"|\b(?:password|passwd|secret|(?:access_|refresh_)?token|api_?key)[\"']?\s*[=:]\s*[^\s,;&]+",
    re.IGNORECASE,
)
_PLAIN: Final = (uuid.UUID, decimal.Decimal, dt.date, dt.time, dt.timedelta)


def redacted_text(text: str) -> str:
    """`text` with everything replaced that looks like a key, a token or a password."""
    return _SECRET_TEXT.sub(REDACTED, text)


def redacted(value: object, nesting: int = 0) -> object:
    """`value` as plain JSON types, without secrets and without the insides of unknown objects."""
    if isinstance(value, str):
        return redacted_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, _PLAIN):
        return str(value)
    if nesting < MAX_NESTING and isinstance(value, Mapping):
        return _redacted_mapping(value, nesting)
    if nesting < MAX_NESTING and isinstance(value, list | tuple | set | frozenset):
        return [redacted(part, nesting + 1) for part in value]
    return f"<{type(value).__name__}>"  # repr() would print whatever the object holds


def _redacted_mapping(value: Mapping[Any, object], nesting: int) -> dict[str, object]:
    return {
        redacted_text(str(key)): REDACTED
        if _SECRET_KEY.search(str(key))
        else redacted(part, nesting + 1)
        for key, part in value.items()
    }


def exception_facts(error: BaseException, *, texts: bool = False) -> dict[str, object]:
    """An exception without its text, which a driver or a validator fills with the row's values."""
    facts: dict[str, object] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    if texts:
        facts["text"] = str(error)
    for name in ("sqlstate", "schema_name", "table_name", "column_name", "constraint_name"):
        if isinstance(value := getattr(error, name, None), str):
            facts[name] = value
    facts["frames"] = [
        f"{frame.filename}:{frame.lineno} {frame.name}: {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    ]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause is not error:
        facts["cause"] = f"{type(cause).__module__}.{type(cause).__qualname__}"
    return facts


class _Lines:
    """Where the lines go. One object for all loggers, so that a cached logger follows a change."""

    def __init__(self) -> None:
        self.stream: TextIO = sys.stdout
        self.texts = False

    def write(self, line: str) -> None:
        self.stream.write(line + "\n")
        self.stream.flush()

    debug = info = warning = warn = error = critical = exception = log = msg = write


_lines = _Lines()


def _add_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if current := request_id.get():
        event.setdefault("request_id", current)
    return event


def _render(_logger: WrappedLogger, method: str, event: EventDict) -> str:
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()[1]
    elif isinstance(found, tuple):
        found = found[1]
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    line: dict[str, object] = {"at": now.replace("+00:00", "Z"), "level": method}
    if event.pop("made_here", False):  # the access line: nothing in it to search for secrets
        return dumps({**line, **event})
    line["event"] = redacted(event.pop("event", ""))
    line.update(_redacted_mapping(event, 0))
    if isinstance(found, BaseException):
        line["exception"] = redacted(exception_facts(found, texts=_lines.texts))
    return dumps(line)


class _StandardFormatter(logging.Formatter):
    """Lines of libraries that log through the standard library, in the same form."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.name == "asyncio":  # its further lines print a task with its exception's text
            text = text.partition("\n")[0]
        event: EventDict = {"event": text, "source": record.name, "exc_info": record.exc_info}
        return _render(None, record.levelname.lower(), _add_request(None, "", event))


def configure_logging(
    level: str = "info", stream: TextIO | None = None, *, exception_texts: bool = False
) -> None:
    """Send structlog and the standard library's loggers to `stream` (standard output).

    `exception_texts` adds what an exception says: for a developer's machine only, since such
    texts quote rows and inputs. uvicorn's own access log is silenced: it prints query strings.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    _lines.stream = stream or sys.stdout
    _lines.texts = exception_texts
    structlog.configure(
        processors=[_add_request, _render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_lines.stream)
    handler.setFormatter(_StandardFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.INFO))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    # These write each URL that is called, with its query.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger(name: str) -> Any:
    """A logger whose keyword arguments become the line's keys: `log.info("event", count=3)`."""
    return structlog.get_logger(source=name)
