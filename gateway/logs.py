"""Logs: one event a line, with its ids, as JSON or for a terminal."""

import logging
import sys
from typing import Literal

import structlog


def configure(form: Literal["json", "console"], level: str) -> None:
    """Set up the logs of the process; they go to standard error."""
    # panoramisk reports each failed attempt to connect; the AMI client reports what matters.
    logging.getLogger("panoramisk").setLevel(logging.CRITICAL)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
