from __future__ import annotations

from pathlib import Path

import pytest

from flowplan.backends.open import at_endpoint, open_store
from flowplan.backends.remote.s3_address import S3Address
from flowplan.errors import UsageProblem
from tests.contracts.s3_site import KEYS

LIKE = "for example s3://my-bucket/flowplan/train"


@pytest.mark.parametrize(
    ("url", "match", "hint"),
    [
        ("s3://", "names no bucket", LIKE),
        ("s3:///train", "names no bucket", LIKE),
        ("s3://b/train", "names no bucket", LIKE),
        ("s3://my_/train", "names no bucket", LIKE),
        ("s3://states", "names no object", LIKE),
        ("s3://states/", "names no object", LIKE),
        ("s3://states/train/", "no / at its end", "--state s3://states/train"),
        ("s3://states//train", "not one that every server takes", LIKE),
        ("s3://states/a/../b", "not one that every server takes", LIKE),
        ("s3://states/a b", "not one that every server takes", LIKE),
        ("s3://states/a%2Fb", "not one that every server takes", LIKE),
        (f"s3://states/{'k' * 801}", "not one that every server takes", LIKE),
        ("s3://states/train?region=CANARY", r"no \? and no #", LIKE),
        ("s3://states/train#CANARY", r"no \? and no #", LIKE),
        ("s3://AKIA:CANARY@states/train", "without a server, a user or a password", "FLOWPLAN_S3_ENDPOINT"),
        ("s3://localhost:9000/states/train", "without a server, a user or a password", "FLOWPLAN_S3_ENDPOINT"),
        ("s3://states/train.lock", "flowplan uses this name", LIKE),
        ("s3://states/train.d/states/1", "flowplan uses this name", LIKE),
        ("s3://states/train.d/journal", "flowplan uses this name", LIKE),
    ],
)
def test_a_url_that_can_be_no_state_is_refused_with_what_to_type(
    tmp_path: Path, url: str, match: str, hint: str
) -> None:
    with pytest.raises(UsageProblem, match=match) as caught:
        open_store(url, tmp_path, KEYS)
    assert hint in (caught.value.hint or "")
    assert "CANARY" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("name", ["FLOWPLAN_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("https://ann:CANARY@s3.example.com", "must not hold a user name"),
        ("http://s3.example.com", "plain http is allowed only for this machine"),
        ("s3.example.com", "is not the URL of a server"),
        ("ftp://s3.example.com", "is not the URL of a server"),
        ("https://s3.example.com?x=1", "is not the URL of a server"),
        ("https://s3.example.com/a b", "has an invalid path"),
        ("https://s3.example.com:port", "is not a URL"),
    ],
)
def test_an_endpoint_that_is_none_is_refused_by_the_name_of_its_variable(name: str, url: str, match: str) -> None:
    with pytest.raises(UsageProblem, match=match) as caught:
        S3Address.of("s3://states/train", {name: url})
    assert name in str(caught.value)
    assert "CANARY" not in f"{caught.value} {caught.value.hint}"


def test_flowplans_own_endpoint_comes_first() -> None:
    environ = {"AWS_ENDPOINT_URL": "https://c.example", "AWS_ENDPOINT_URL_S3": "https://b.example"}
    assert S3Address.of("s3://states/train", environ).endpoint == "https://b.example"
    environ["FLOWPLAN_S3_ENDPOINT"] = "HTTPS://A.example:443/"
    assert S3Address.of("s3://states/train", environ).endpoint == "https://a.example"
    given = at_endpoint("S3://states/train", environ, "https://given.example")
    assert S3Address.of("s3://states/train", given).endpoint == "https://given.example"
    with pytest.raises(UsageProblem, match="--endpoint 'x' is not the URL of a server"):
        S3Address.of("s3://states/train", at_endpoint("s3://states/train", environ, "x"))


@pytest.mark.parametrize("state", ["flowplan.state.json", "https://states.example.com/train"])
def test_an_endpoint_is_for_object_stores_only(state: str) -> None:
    with pytest.raises(UsageProblem, match="--endpoint names the server of a state at s3:// or az://"):
        at_endpoint(state, {}, "https://s3.example.com")
    assert at_endpoint(state, {}, "") == {}


def test_one_state_has_one_identity() -> None:
    """On Amazon's a bucket is one, by each of its endpoints; another server may have a bucket of that name."""
    amazon = [
        {},
        {"AWS_REGION": "eu-central-1"},
        {"AWS_ENDPOINT_URL_S3": "https://s3.eu-central-1.amazonaws.com"},
        {"AWS_ENDPOINT_URL": "https://bucket.vpce-1a2b-5e.s3.us-east-1.vpce.amazonaws.com"},
    ]
    assert {S3Address.of("s3://states/train", environ).identity for environ in amazon} == {"s3://states/train"}
    assert S3Address.of("S3://states/train", {}).identity == "s3://states/train"
    others = [{"AWS_ENDPOINT_URL": f"https://{host}"} for host in ("a.example", "b.example", "evil-amazonaws.com")]
    identities = {S3Address.of("s3://states/train", environ).identity for environ in others}
    assert len(identities | {"s3://states/train"}) == 4


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-central-1", "https://s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_amazons_server_is_that_of_the_region(region: str, url: str) -> None:
    assert S3Address.of("s3://states/train", {"AWS_DEFAULT_REGION": region}).url(region) == url


def test_a_region_that_is_none_is_refused() -> None:
    with pytest.raises(UsageProblem, match="is not one"):
        S3Address.of("s3://states/train", {"AWS_REGION": "evil.example/"})
