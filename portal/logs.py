"""Log formatting with a last net: the text of a secret never reaches a log line."""

import logging
import re

from keys_app.core.secret import MASK, mask_live_secrets

from . import request_id

_AUTHORIZATION = re.compile(r"(?i)\b(basic|bearer)\s+[a-z0-9+/=._~-]{8,}")

_WARNING = (logging.WARNING, "WARNING")


class RefusalFilter(logging.Filter):
    """Makes a refused request (4xx) one line: it is no fault of the portal, and where it was refused helps no one."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", 500) < 500:
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = min((record.levelno, record.levelname), _WARNING)
        return True


class MaskingFormatter(logging.Formatter):
    """Formats a record, traceback included, with the id of its request; masks live secrets and authorization values."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}{request_id}: {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = f" [{request_id.current()}]" if request_id.current() else ""
        text = mask_live_secrets(super().format(record))
        return _AUTHORIZATION.sub(rf"\1 {MASK}", text)
