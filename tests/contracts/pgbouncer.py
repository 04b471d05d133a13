"""PgBouncer before a server of the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.contracts.postgres import DATABASE, PASSWORD, USER, PostgresServer, as_nobody, free_port


@contextmanager
def pooled(server: PostgresServer, directory: Path, mode: str, ignored: str) -> Iterator[int]:
    """The port of a PgBouncer whose `pool_mode` is `mode`, and which ignores the startup parameters `ignored`. Skips
    the test where there is no PgBouncer."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no PgBouncer: apt-get install pgbouncer")
    port, settings = free_port(), server.directory / f"pgbouncer-{os.urandom(4).hex()}.ini"
    users = settings.with_suffix(".users")
    users.write_text(f'"{USER}" "{PASSWORD}"\n')
    settings.write_text(
        f"[databases]\n{DATABASE} = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\npool_mode = {mode}\n"
        + (f"ignore_startup_parameters = {ignored}\n" if ignored else "")
    )
    log = (directory / "pgbouncer.log").open("wb")
    run = subprocess.Popen([program, str(settings)], stdout=log, stderr=log, **as_nobody())  # type: ignore[call-overload]
    log.close()
    try:
        while True:
            assert run.poll() is None, (directory / "pgbouncer.log").read_text()
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
        yield port
    finally:
        run.kill()
        run.wait()
