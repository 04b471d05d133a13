"""What stands between a client and a server of the tests, and loses what it is told to lose."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType


class Relay:
    """Passes on what either side says. Once `lose_next_answer` is called, what is said to the server still arrives, and
    its answer does not: the client's connection ends. `deaf`: what arrives stays unanswered. `asked` may change what a
    client says before the server gets it."""

    def __init__(self, port: int, asked: Callable[[bytes], bytes] = lambda data: data) -> None:
        self._asked = asked
        self._server = ("127.0.0.1", port)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._listening = socket.create_server(("127.0.0.1", self.port))  # one that was named stays when nobody listens
        self.lost = 0
        self._losing = threading.Event()
        self._deaf = threading.Event()
        self._gone = threading.Event()
        self._guard = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = self._start(self._accept)

    def _start(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_listening()
        self._accepting.join()
        self.cut()
        for thread in self._threads:
            thread.join()
        for one in (self._listening, *self._open):
            one.close()

    def lose_next_answer(self) -> None:
        self._losing.set()

    def deaf(self, on: bool) -> None:
        """Whether answers are kept back from now on."""
        (self._deaf.set if on else self._deaf.clear)()

    def leave(self) -> None:
        """From now on connections are refused; those that are open end."""
        self._stop_listening()
        self.cut()

    def come_back(self) -> None:
        """Listen again, on the same port."""
        self._accepting.join()
        self.cut()  # one that was accepted while it left
        self._listening.listen()
        self._gone.clear()
        self._accepting = self._start(self._accept)

    def _stop_listening(self) -> None:
        with self._guard:
            if not self._gone.is_set():  # what is shut down twice never listens again
                self._gone.set()
                self._listening.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """End every connection."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                for source, sink, answers in ((client, server, False), (server, client, True)):
                    self._start(self._pass, source, sink, answers)

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self._deaf.is_set():
                    continue
                if answers and self._losing.is_set():
                    self._losing.clear()
                    self.lost += 1
                    break
                sink.sendall(data if answers else self._asked(data))
        if answers and self._deaf.is_set():  # nor does the client hear that the server is done
            return
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
