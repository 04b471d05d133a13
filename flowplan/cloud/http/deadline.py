"""A deadline below the connection: an attempt ends on time, however slowly its answer drips.

A socket's timeout is that of one recv, and http.client waits for whole lines: a byte a second would pass it for
ever, in a status line, headers, 100 Continue, chunk sizes, trailers, a proxy's answer to CONNECT, a TLS handshake.
Here every wait of a socket gets what is left of the attempt in its thread, and no more. The one thing that cannot
be interrupted is the system's resolver: it is asked in a thread of its own, which is left behind when it is late.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from flowplan.clock import since_boot


class _Attempt(threading.local):
    """The attempt of this thread: until when it may take, by `since_boot`. None: there is none. A machine that sleeps
    before it has sent a request must not send it when it wakes: by then another one may have done so."""

    until: float | None = None


_attempt = _Attempt()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Inside, no connection made by a `DeadlineAdapter` waits for the network beyond `seconds` in all.

    What would wait longer raises TimeoutError (as urllib3 and requests wrap it)."""
    _attempt.until = since_boot() + seconds
    try:
        yield
    finally:
        _attempt.until = None


def _left(patience: float | None) -> float | None:
    """`patience`, or what is left of the attempt if that is less. Raises TimeoutError when nothing is."""
    if _attempt.until is None:
        return patience
    left = _attempt.until - since_boot()
    if left <= 0:
        raise TimeoutError("timed out")
    return left if patience is None else min(patience, left)


class DeadlineAdapter(HTTPAdapter):
    """requests' adapter, whose connections know the attempt's deadline; through a proxy, too, which is verified with
    `authorities` (a file or a directory) where it is spoken to by TLS."""

    def __init__(self, authorities: str, **named: Any) -> None:
        self._authorities = authorities
        super().__init__(**named)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        if proxy.lower().startswith("https:") and proxy not in self.proxy_manager:
            named["proxy_ssl_context"] = context = tls_context()
            directory = Path(self._authorities).is_dir()
            context.load_verify_locations(**{"capath" if directory else "cafile": self._authorities})
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Timed:
    """Before a socket: each of its waits is at most what is left."""

    def recv(self, *args: Any) -> Any:
        return self._on_time().recv(*args)

    def recv_into(self, *args: Any) -> Any:
        return self._on_time().recv_into(*args)

    def send(self, *args: Any) -> Any:
        return self._on_time().send(*args)

    def sendall(self, *args: Any) -> Any:
        return self._on_time().sendall(*args)

    def _on_time(self) -> Any:
        own: Any = self
        own.settimeout(_left(own.gettimeout()))
        return super()


class _Plain(_Timed, socket.socket):
    pass


class _Encrypted(_Timed, ssl.SSLSocket):
    def do_handshake(self, *args: Any) -> None:
        self._on_time().do_handshake(*args)


_LONGEST_REST = 30.0  # seconds
_MOMENT = 1.0  # seconds that an address gets at first, where there are others
_worked: dict[str, str] = {}  # the address of a name that was connected to last


class _Connecting:
    """Before urllib3's connections: the addresses of a name are tried within one deadline, not each within its own.
    Each gets a moment, and then its time: one that never answers, as IPv6 does in some networks, keeps nobody from
    those behind it."""

    def _new_conn(self) -> socket.socket:
        own: Any = self
        name, patience = own._dns_host, own.timeout
        try:
            found = _addresses(name, own.port, _left(patience))
            *others, last = sorted(found, key=lambda one: one != _worked.get(name))
            moment = _MOMENT if patience is None else min(_MOMENT, patience / len(found))
            made = self._first_of([*others, last], moment) if others else None
            made = made or self._first_of(others, patience) or self._connected(last, patience)
            _worked[name] = own._dns_host
        finally:
            own._dns_host, own.timeout = name, patience
        plain = _Plain(made.family, made.type, made.proto, fileno=made.detach())
        plain.settimeout(patience)
        return plain

    def _first_of(self, addresses: Iterable[str], patience: float | None) -> socket.socket | None:
        for one in addresses:
            with suppress(NewConnectionError, ConnectTimeoutError):
                return self._connected(one, patience)
        return None

    def _connected(self, address: str, patience: float | None) -> socket.socket:
        own: Any = self
        own._dns_host, own.timeout = address, _left(patience)
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        return made


class _Http(_Connecting, HTTPConnection):
    pass


class _Https(_Connecting, HTTPSConnection):
    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.ssl_context = self.ssl_context or tls_context()


class _Rested:
    """Before urllib3's pools: a connection that nobody used for long is not used again. What is on the way (a NAT, a
    load balancer, a network that was left) may have forgotten it without a word: a create on it would be in doubt."""

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.rests_since = since_boot()
        super()._put_conn(conn)  # type: ignore[misc]

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)  # type: ignore[misc]
        if not conn.is_closed and since_boot() - conn.rests_since > _LONGEST_REST:
            conn.close()
        return conn


class _HttpPool(_Rested, HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(_Rested, HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


def tls_context() -> ssl.SSLContext:
    """As urllib3 makes it (verification on), with sockets of ours."""
    context = create_urllib3_context()
    context.sslsocket_class = _Encrypted
    return context


def _addresses(name: str, port: int, patience: float | None) -> list[str]:
    """The addresses of `name`, each once, at least one. Raises OSError, and TimeoutError when the resolver takes
    longer."""
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(name.strip("[]"), port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(address[0]) for *_, address in found)))
        except OSError as error:
            answers.put(error)
        except UnicodeError:  # a name that IDNA cannot write
            answers.put(socket.gaierror(socket.EAI_NONAME, "not a host name"))

    try:
        threading.Thread(target=look_up, name="flowplan-resolver", daemon=True).start()
    except RuntimeError:  # the machine gives no thread: then it takes as long as it takes
        look_up()
    try:
        answer = answers.get(timeout=patience)
    except queue.Empty:
        raise TimeoutError("timed out") from None
    if isinstance(answer, OSError):
        raise answer
    if not answer:
        raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
    return answer
