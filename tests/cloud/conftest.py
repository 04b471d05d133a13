"""The fixtures of server.py, for every test of this folder."""

from tests.cloud.server import api, certificates, log, net, serve, times

__all__ = ["api", "certificates", "log", "net", "serve", "times"]
