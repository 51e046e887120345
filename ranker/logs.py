"""Structured logs, on the standard error stream."""

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

from ranker.errors import SettingsError
from ranker.secret import masked

_LEVELS = ("debug", "info", "warning", "error")


def set_up(level: str, *, as_json: bool, worker: int = 0) -> None:
    """Log from a level up, lines for people or JSON for machines; workers but the first say their number."""
    if level not in _LEVELS:
        raise SettingsError(f"there is no log level {level!r}: choose one of {', '.join(_LEVELS)}")
    last = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([_naming(worker)] if worker else []),
            *([structlog.processors.format_exc_info] if as_json else []),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stream(sys.stderr))),
        cache_logger_on_first_use=True,
    )


def _naming(worker: int) -> structlog.typing.Processor:
    return lambda _logger, _method, event: {**event, "worker": worker}


class _Stream:
    """A stream whose loss, by a full disk or a closed pipe, ends no thread that logs; it gets no secret."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(masked(text))

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()
