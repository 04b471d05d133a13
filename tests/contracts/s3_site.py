"""A state in a bucket of moto, which speaks S3 and minds conditions: `contracts.places.Place`."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

import requests
from moto.server import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from flowplan.backends.remote.s3 import S3Objects
from flowplan.backends.remote.s3_address import ENDPOINT, S3Address
from tests.contracts.memory import ObjectSite
from tests.contracts.watched import Watched

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAFLOWPLANTESTONLY", "AWS_SECRET_ACCESS_KEY": "CANARYsecretkey0123456789"}


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # which keeps a connection for the next request

    def log_request(self, *_: object) -> None:
        """Nothing."""


@cache
def endpoint() -> str:
    """A server of this process, which has all buckets of its tests. It has S3 and nothing else of moto, which seeks at
    each request which of its services is meant."""
    server = make_server("127.0.0.1", 0, create_backend_app("s3"), threaded=True, request_handler=_Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def environ(url: str = "") -> dict[str, str]:
    """What a run needs to reach it, or the server at `url`."""
    return {**KEYS, ENDPOINT: url or endpoint(), "AWS_REGION": "us-east-1"}


def make_bucket(name: str) -> None:
    requests.put(f"{endpoint()}/{name}", timeout=30).raise_for_status()


class WatchedS3(Watched, S3Objects):
    """With faults where a test wants them."""

    def __init__(self, address: S3Address) -> None:
        S3Objects.__init__(self, address, environ(), lambda _: None)


class S3Site(ObjectSite):
    """A directory has a bucket: what is opened for it again is the same state."""

    forks = False  # the library has threads

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        bucket = f"states-{hashlib.sha256(str(directory).encode()).hexdigest()[:20]}"
        with suppress(requests.HTTPError):  # it is there
            make_bucket(bucket)
        self.directory, self.key, self.url = directory, "train", f"s3://{bucket}/train"
        self.objects = WatchedS3(S3Address.of(self.url, environ()))
