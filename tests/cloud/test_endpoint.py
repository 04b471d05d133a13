"""Where calls go: the base URL, the proxies of the environment, and what of the environment is not read."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import pytest
from requests.utils import should_bypass_proxies

from flowplan.cloud.http.endpoint import proxies
from flowplan.cloud.http.transport import Transport
from flowplan.errors import Unreachable, UsageProblem
from flowplan.secret import Secret
from tests.cloud.server import API, BIDS, CANARY, OK, TOKEN, Server, Time, failure, says, transport

PROXY = {"https": "http://proxy.test:3128"}

NAME, PORT, V4, V6 = ("api.example.test", None), ("api.example.test", 8443), ("10.1.2.3", 8443), ("2001:db8::1", 8443)
# NO_PROXY, and which of these it exempts
TABLE: list[tuple[str, set[tuple[str, int | None]]]] = [
    ("", set()),
    (" , ,", set()),
    ("*", {NAME, PORT, V4, V6}),
    ("a,*", set()),
    ("example.test", {NAME, PORT}),
    (".example.test", {NAME, PORT}),
    ("a, API.example.test ,b", {NAME, PORT}),
    ("ample.test", set()),
    ("api.example.test.", set()),
    ("api.example.test:8443", {PORT}),
    ("example.test:8443", {PORT}),
    ("api.example.test:443", set()),
    ("10.0.0.0/8", {V4}),
    ("a,10.9.9.9/8", {V4}),
    ("10.1.2.3", {V4}),
    ("10.1.2.3/32", {V4}),
    ("10.1.2.3:8443", set()),
    ("192.168.1.0/24", set()),
    ("10.0.0.0/0", set()),
    ("10.0.0.0/33", set()),
    ("10.0.0.0/255.0.0.0", set()),
    ("10.0.0.0/8/8", set()),
    ("example.test/8", set()),
    ("2001:db8::1", {V6}),
    ("2001:db8::1:8443", {V6}),
    ("[2001:db8::1]", set()),
    ("2001:db8::/32", set()),
    ("localhost,127.0.0.1", set()),
]


def test_cookies_are_not_kept(serve: Callable[..., Server], times: Time) -> None:
    server = serve(says("200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2", b"[]"))
    api = transport(times, server.url)
    api.call("GET", BIDS)
    api.call("GET", BIDS)
    assert b"ookie" not in server.requests[1]


def test_the_proxy_of_the_environment_is_used_for_https(serve: Callable[..., Server], times: Time) -> None:
    proxy = serve(says("407 Proxy Authentication Required\r\nContent-Length: 0"))
    url = f"http://me:{CANARY.replace('/', '%2F')}@127.0.0.1:{proxy.port}"
    error = failure(
        transport(times, token=Secret("another-token"), environ={"HTTPS_PROXY": url}), "POST", body={}, kind=Unreachable
    )
    assert "cannot reach api.example.test" in str(error)
    assert proxy.requests[0].startswith(b"CONNECT api.example.test:443 HTTP/1.")
    assert b"another-token" not in b"".join(proxy.requests)


@pytest.mark.parametrize(("no_proxy", "exempt"), TABLE, ids=[repr(no_proxy) for no_proxy, _ in TABLE])
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_no_proxy_exempts_hosts(no_proxy: str, exempt: set[tuple[str, int | None]], variable: str) -> None:
    environ = {"https_proxy": "proxy.test:3128", variable: no_proxy}
    for host, port in (NAME, PORT, V4, V6):
        assert proxies(environ, host, port) == ({} if (host, port) in exempt else PROXY), (host, port)


@pytest.mark.parametrize("no_proxy", [no_proxy for no_proxy, _ in TABLE])
def test_requests_reads_no_proxy_so(no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for host, port in (NAME, PORT, V4, V6):
        url = f"https://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}/v2"
        exempt = proxies({"https_proxy": "proxy.test:3128", "NO_PROXY": no_proxy}, host, port) == {}
        assert should_bypass_proxies(url, no_proxy) == exempt, url


def test_the_port_of_the_base_url_counts() -> None:
    environ = {"HTTPS_PROXY": "socks5://p.test", "NO_PROXY": "api.example.test:8443"}  # a proxy that would be refused
    assert Transport(f"{API}:8443", TOKEN, environ=environ).host == "api.example.test:8443"
    with pytest.raises(UsageProblem, match="HTTPS_PROXY"):
        Transport(API, TOKEN, environ=environ)


def test_the_no_proxy_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    assert proxies({"HTTPS_PROXY": "proxy.test:3128"}, "api.example.test") == PROXY


def test_loopback_needs_no_proxy() -> None:
    assert [proxies({"HTTPS_PROXY": "http://p.test"}, host) for host in ("localhost", "127.0.0.1", "::1")] == [{}] * 3


@pytest.mark.parametrize("url", ["socks5://p.test", "http://", "http://p.test:port", "ftp://p.test"])
def test_a_bad_proxy_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageProblem, match="HTTPS_PROXY"):
        Transport(API, TOKEN, environ={"HTTPS_PROXY": url})


def test_the_proxies_of_the_process_are_not_read_behind_our_back(
    serve: Callable[..., Server], times: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert transport(times, serve(OK).url, environ=None).call("GET", BIDS).data == []


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.mithril.ai", "https://api.mithril.ai"),
        ("https://API.mithril.ai/", "https://api.mithril.ai"),
        ("https://api.mithril.ai/v2", "https://api.mithril.ai"),
        ("https://api.mithril.ai/v2/", "https://api.mithril.ai"),
        ("https://proxy.test:8443/fcp/v2", "https://proxy.test:8443/fcp"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("http://localhost:5000", "http://localhost:5000"),
    ],
)
def test_the_base_url_has_one_form(url: str, base: str) -> None:
    assert Transport(url, TOKEN, environ={}).base_url == base


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.mithril.ai", "ftp://api.mithril.ai", "http://api.mithril.ai", "http://10.0.0.1", "http://0.0.0.0"),
        *("http://127.1", "http://2130706433", "http://localhost.evil.test", "https://", "https://[::1", "https://a:b"),
        *("https://a b", "https://a\n.test", "https://ä.test", "https://a_b.test\\@evil.test", "https://a.test?x=1"),
        *(
            "https://a.test/#x",
            "https://a.test/?",
            "https://a.test/../x y",
            "https://-a.test",
            f"https://{'a' * 64}.test",
        ),
    ],
)
def test_other_base_urls_are_wrong_usage(url: str) -> None:
    with pytest.raises(UsageProblem, match="API's URL"):
        Transport(url, TOKEN, environ={})


def test_a_base_url_with_a_password_is_refused_unseen() -> None:
    with pytest.raises(UsageProblem) as caught:
        Transport(f"https://me:{CANARY}@api.mithril.ai", TOKEN, environ={})
    assert CANARY not in f"{caught.value} {caught.value.hint}"


def test_localhost_must_be_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)), (2, 1, 6, "", ("10.1.2.3", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: elsewhere)
    with pytest.raises(UsageProblem, match="only for this machine"):
        Transport("http://localhost:1", TOKEN, environ={})
