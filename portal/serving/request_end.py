"""Where a request ends, found as its bytes arrive. Only gunicorn's parser reads what is between."""

import re

from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders

MAX_HEAD = 64 * 1024
MAX_LINE = 8190

_HEAD_END = re.compile(rb"\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


def has_whole_head(received: bytearray, new: int) -> bool:
    """Tell whether a head is complete, `new` bytes of which have just arrived. Raises if it is too large.

    One that ends in bare line feeds counts as well: the parser refuses it immediately.
    """
    if _HEAD_END.search(received, max(0, len(received) - new - 2)):
        return True
    if len(received) > MAX_HEAD:
        raise LimitRequestHeaders("limit request headers size")
    return False


class SizedBody:
    """A body whose length the head says. `size` is its length in bytes, `done` whether all of it is there."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._left = size

    @property
    def done(self) -> bool:
        return self._left <= 0

    def feed(self, data: bytes) -> None:
        self._left -= len(data)


class ChunkedBody:
    """A body in chunks. `size` is what they hold so far, in bytes, the one that is announced included.

    A body of many small chunks counts by what is sent, once that is more than twice what they hold and a head's worth.
    """

    def __init__(self) -> None:
        self.done = False
        self._held = self._sent = self._skip = 0
        self._line = b""
        self._in_trailers = False

    @property
    def size(self) -> int:
        return max(self._held, (self._sent - MAX_HEAD) // 2)

    def feed(self, data: bytes) -> None:
        """Go on to the end of `data`. Raises `InvalidChunkSize` for what can't be a chunk."""
        at = 0
        self._sent += len(data)
        while at < len(data) and not self.done:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            end = data.find(b"\n", at)
            self._line += data[at : end if end >= 0 else len(data)]
            if len(self._line) > MAX_LINE:
                raise InvalidChunkSize(b"line too long")
            if end < 0:
                return
            at = end + 1
            self._take(self._line.rstrip(b"\r"))
            self._line = b""

    def _take(self, line: bytes) -> None:
        if self._in_trailers:
            self.done = not line
            return
        size = line.split(b";", 1)[0].rstrip(b" \t")
        if not _CHUNK_SIZE.fullmatch(size):
            raise InvalidChunkSize(size)
        length = int(size, 16)
        self._held += length
        self._in_trailers = length == 0
        self._skip = length + len(b"\r\n") if length else 0
