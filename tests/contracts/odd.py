"""A server that has one answer to everything, and answers as they go over the line."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


def reply(status: int, body: str = "", *headers: str, length: int | None = None) -> bytes:
    """An answer as it goes over the line."""
    size = len(body.encode()) if length is None else length
    lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {size}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


def error(status: int, code: str, message: str = "no", more: str = "") -> bytes:
    return reply(status, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>")


class Odd:
    """A server that has one answer to everything; b"": it hangs up. `asked`: what came."""

    def __init__(self) -> None:
        self.answer = b""
        self.asked: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with client:
                data = b""
                while b"\r\n\r\n" not in data and (more := client.recv(65536)):
                    data += more
                self.asked.append(data)
                with suppress(OSError):
                    client.sendall(self.answer)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
