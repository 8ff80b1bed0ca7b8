"""Log formatting with a last net: the text of a secret never reaches a log line."""

import logging
import re

from keys_app.domain.secret import MASK, mask_live_secrets

_AUTHORIZATION = re.compile(r"(?i)\b(basic|bearer)\s+[a-z0-9+/=._~-]{8,}")


class MaskingFormatter(logging.Formatter):
    """Formats a record, traceback included, and masks secrets that are alive and authorization values."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        text = mask_live_secrets(super().format(record))
        return _AUTHORIZATION.sub(rf"\1 {MASK}", text)
