"""`loaded_client.py SOCKET ARGUMENT...` is `flowplan ARGUMENT...`, run by loaded.py: its process gets the streams, the
directory and the environment of this one, and the signals; this one ends as it does. Nothing is loaded that takes time.
"""

import os
import sys
from _signal import SIG_DFL, SIGHUP, SIGINT, SIGTERM, signal
from _socket import AF_UNIX, SCM_RIGHTS, SHUT_WR, SOCK_STREAM, SOL_SOCKET, socket

PASSED_ON = (SIGINT, SIGTERM, SIGHUP)


def main(where: str, words: list[str]) -> int:
    mask = os.umask(0)
    known = [f"{name}={value}" for name, value in os.environ.items()]
    server = socket(AF_UNIX, SOCK_STREAM)
    server.connect(where)
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    server.sendmsg([b"."], [(SOL_SOCKET, SCM_RIGHTS, streams)])
    server.sendall(b"\0".join(map(os.fsencode, [os.getcwd(), str(mask), "", str(len(words)), *words, *known])))  # noqa: PTH109
    server.shutdown(SHUT_WR)
    pid = int(server.recv(16))
    for number in PASSED_ON:
        signal(number, lambda got, _: os.kill(pid, got))
    code = int(server.recv(16) or b"70")
    if code < 0:
        if -code in PASSED_ON:  # the system lets nobody touch SIGKILL
            signal(-code, SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
