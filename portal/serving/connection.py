"""One client: what has arrived of its request, and how that is handed to a thread."""

import time
from typing import Any

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

from portal.serving.answer_buffer import AnswerBuffer
from portal.serving.body_limits import SMALL
from portal.serving.request_end import ChunkedBody, SizedBody, has_whole_head


class Received:
    """Bytes that have arrived, read as if from a socket."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def recv(self, size: int) -> bytes:
        piece = bytes(self.data[:size])
        del self.data[:size]
        return piece


class HeadFirst(RequestParser):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's parser, which reads the head from what has arrived and gives its request to the thread later."""

    def read_head(self) -> Any:
        return super().__next__()

    def __next__(self) -> Any:
        """Return the request with its whole body. Chunks are put together, since Django reads only a known length."""
        if isinstance(self.mesg.body.reader, ChunkedReader):
            body = self.mesg.body.read()
            set_body(self.mesg, body, len(body))
        return self.mesg

    def take_rest(self) -> bytes:
        """Return what arrived after the request: the beginning of the next one."""
        return bytes(self.unreader.take_buffered() + self.unreader.sock.data)


def set_body(request: Any, body: bytes, length: int) -> None:
    """Give a request this body, and say that it is of this length."""
    request.body = Body(LengthReader(SocketUnreader(Received(body)), len(body)))
    others = [header for header in request.headers if header[0] not in ("CONTENT-LENGTH", "TRANSFER-ENCODING")]
    request.headers = [*others, ("CONTENT-LENGTH", str(length))]


class ClientConnection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A client's connection. `request` and `body` are there once the head is; `limit` is what the body may have.

    `since` is when what is waited for began. The deadline is that of the request while it arrives, and that of the
    answer while its reader takes it.
    """

    sock: AnswerBuffer

    def __init__(self, cfg: Any, sock: AnswerBuffer, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.initialized = True  # else gunicorn makes a parser of its own
        self.is_closing = False
        self.is_lingering = False
        self.since = self.until = 0.0
        self._begin(b"")

    def _begin(self, data: bytes) -> None:
        self.parser: HeadFirst | None = None
        self.request: Any = None
        self.body: SizedBody | ChunkedBody = SizedBody(0)
        self.limit = SMALL
        self.is_asked = False
        self.head = bytearray()
        self._new = 0
        self._add_to_head(data)

    @property
    def deadline(self) -> float:
        return self.sock.deadline if self.sock.pending else self.until

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing has arrived of a request, and nothing is to be sent."""
        return not (self.request or self.head or self.sock.pending or self.is_lingering)

    def wait(self, seconds: float) -> None:
        self.since = time.monotonic()
        self.until = self.since + seconds

    def next_request(self) -> None:
        """Forget the request that is answered. What came after it is the beginning of the next."""
        self._begin(self.parser.take_rest() if self.parser else b"")

    def receive(self, data: bytes) -> None:
        if self.parser is None:
            self._add_to_head(data)
        else:
            self.parser.unreader.sock.data += data
            self.body.feed(data)

    def _add_to_head(self, data: bytes) -> None:
        self.head += data
        self._new += len(data)
        if self.head.startswith(b"\r\n"):
            del self.head[:2]  # one empty line before a request is none of it

    def read_head(self) -> bool:
        """Parse the head if all of it is there. Raises what gunicorn's parser raises for one that is wrong."""
        if not self.head or not has_whole_head(self.head, self._new):
            self._new = 0
            return False
        parser = HeadFirst(self.cfg, Received(bytes(self.head)), self.client)
        self.request = parser.read_head()
        self.parser = parser
        self.head.clear()
        reader = self.request.body.reader
        self.body = ChunkedBody() if isinstance(reader, ChunkedReader) else SizedBody(reader.length)
        rest = parser.take_rest()
        parser.unreader.sock.data = bytearray(rest)
        self.body.feed(rest)
        self._expects = self.request._expected_100_continue
        self.request._expected_100_continue = False  # it is answered here, not in a thread
        return True

    def go_ahead(self) -> None:
        """Ask for the body, of a client that waits to be asked."""
        if self._expects:
            self._expects = False
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def refuse_body(self) -> None:
        """Leave the body unread: the portal says by its length that it is too large, and the connection ends."""
        set_body(self.request, b"", self.body.size)
        self.request.force_close()
