"""Structured logs: JSON lines for programs, a readable form on a terminal. Never secrets, prompts or outputs."""

import logging
import sys

import structlog

from app.log.redaction import redact
from app.settings import Settings

# Ours, as structlog.get_logger(__name__) names its loggers.
_OWN = "app"


class _NoHandshakes(logging.Filter):
    """Whatever a client has put into the address of a WebSocket would be in the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return '"WebSocket ' not in str(record.msg)


def configure(settings: Settings) -> None:
    """Send our logs and those of the libraries through one pipeline to standard error."""
    console = settings.bizq_log_format == "console" or (settings.bizq_log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelName(settings.bizq_log_level.upper())
    # `debug` is ours alone: libraries would write every frame and header that they send and get.
    root.setLevel(max(level, logging.INFO))
    logging.getLogger(_OWN).setLevel(level)
    logging.getLogger("uvicorn.error").addFilter(_NoHandshakes())
    # httpx logs every request with its address; the SDKs' and dramatiq's own chatter tells operators nothing.
    for noisy in ("httpx", "httpx2", "httpcore2", "openai", "anthropic", "dramatiq", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
