"""As much HTTP/1.1 as an agent needs, in bounded memory: one request at a time over a connection that stays.

`dial()` gives a stream with `host`, `send(octets)`, `receive(buffer)` (a count, 0 at the end) and `close()`,
whose failures are OSError. What an answer must not be: longer than said, or the repeat of the last one.
"""

_LINE_BYTES_MAX = 2048
_BODY_BYTES_MAX = 8192
_LINES_MAX = 64


class BadAnswer(OSError):
    """The server, or something before it, does not speak as it should."""


class Answer:
    """What came back: status, the headers that matter, and a body of at most 8 KB."""

    def __init__(self, status, headers, body):
        """Take what was read."""
        self.status, self.headers, self.body = status, headers, body

    def retry_after_s(self):
        """Give the seconds that are asked for; None if none are, or a date is."""
        text = self.headers.get("retry-after", "")
        return int(text) if text.isdigit() else None

    def server_ms(self):
        """Give the server's time; None where it does not say."""
        text = self.headers.get("server-time", "")
        return int(text) if text.isdigit() else None


_KEPT = ("content-length", "transfer-encoding", "retry-after", "server-time", "connection", "x-request-id")


class Link:
    """The connection to the one server of an agent."""

    def __init__(self, dial):
        """Take what dials."""
        self._dial = dial
        self._stream = None
        self._chunk = bytearray(512)
        self._have = self._at = 0
        self._last_id = None

    def close(self):
        """Hang up; the next request dials."""
        stream, self._stream = self._stream, None
        self._have = self._at = 0
        if stream is not None:
            try:
                stream.close()
            except OSError:
                pass  # it is gone either way

    def request(self, method, path, headers, length, write, sink=None):
        """Send a request whose body `write(put)` gives, and read the answer; OSError where it fails.

        `sink` takes the body of an answer 200, of any length, piece by piece.
        """
        try:
            if self._stream is None:
                self._stream = self._dial()
            lines = [
                "%s %s HTTP/1.1" % (method, path),
                "Host: " + self._stream.host,
                "Content-Length: %d" % length,
            ]
            lines += ["%s: %s" % each for each in headers.items()]
            self._stream.send(("\r\n".join(lines) + "\r\n\r\n").encode())
            refused = self._sent(write)
            answer = self._answer(sink)
            if refused:
                self.close()
        except BaseException:
            self.close()
            raise
        if answer.headers.get("connection", "") == "close" or self._at < self._have:
            self.close()
        return answer

    def _sent(self, write):
        """Send the body; True where the server hung up on it, which it may have explained before."""
        if write is None:
            return False
        try:
            write(self._stream.send)
        except OSError:
            return True
        return False

    def _answer(self, sink):
        while True:
            answer = self._one(sink)
            name = answer.headers.get("x-request-id")
            is_repeat = name is not None and name == self._last_id
            self._last_id = name
            if answer.status >= 200 and not is_repeat:
                return answer

    def _one(self, sink):
        words = self._line().split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise BadAnswer("no status line")
        headers = {}
        for _ in range(_LINES_MAX):
            line = self._line()
            if not line:
                break
            name, _, value = line.partition(":")
            name = name.strip().lower()
            if name in _KEPT:
                headers[name] = value.strip()
        else:
            raise BadAnswer("too many headers")
        status = int(words[1])
        if status == 200 and sink is not None:
            self._pour(int(headers["content-length"]), sink)
            return Answer(status, headers, b"")
        body = b"" if status < 200 or status in (204, 304) else self._body(headers)
        return Answer(status, headers, body)

    def _pour(self, left, sink):
        while left:
            if self._at == self._have:
                self._fill()
            count = min(left, self._have - self._at)
            sink(self._chunk[self._at : self._at + count])
            self._at += count
            left -= count

    def _body(self, headers):
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = bytearray()
            while True:
                size = int(self._line().split(";")[0], 16)
                if len(body) + size > _BODY_BYTES_MAX:
                    raise BadAnswer("a body too long")
                body += self._exactly(size)
                self._line()
                if size == 0:
                    return bytes(body)
        size = int(headers.get("content-length", "0"))
        if not 0 <= size <= _BODY_BYTES_MAX:
            raise BadAnswer("a body too long")
        return bytes(self._exactly(size))

    def _fill(self):
        self._at, self._have = 0, self._stream.receive(self._chunk)
        if not self._have:
            raise BadAnswer("the connection ended")

    def _line(self):
        line = bytearray()
        while True:
            if self._at == self._have:
                self._fill()
            end = self._chunk.find(b"\n", self._at, self._have)
            stop = self._have if end < 0 else end + 1
            line += self._chunk[self._at : stop]
            self._at = stop
            if end >= 0:
                return line.decode().rstrip("\r\n")
            if len(line) > _LINE_BYTES_MAX:
                raise BadAnswer("a line too long")

    def _exactly(self, size):
        body = bytearray(size)
        at = 0
        while at < size:
            if self._at == self._have:
                self._fill()
            count = min(size - at, self._have - self._at)
            body[at : at + count] = self._chunk[self._at : self._at + count]
            at += count
            self._at += count
        return body
