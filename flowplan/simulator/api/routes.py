"""The API as a table: method and path -> what answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import NamedTuple, cast

from flowplan.simulator.api.messages import Call, Refusal, Response

Handler = Callable[[Call], Response]


class Route(NamedTuple):
    """`handler`: "module.function", imported when first called: no command needs them all.

    `replays`: an `Idempotency-Key` is honoured. `public`: needs no authorisation. `lags`: it is a list that can lag
    behind (lag.py).
    """

    method: str
    template: str
    handler: str
    replays: bool = False
    public: bool = False
    lags: bool = False

    @property
    def mutates(self) -> bool:
        """Whether it changes what users have: its calls are in the ledger."""
        return self.method != "GET" and not self.public

    def answer(self, call: Call) -> Response:
        """What its handler answers, in the transaction of `call`; the first call imports the handler's module."""
        return _handler(self.handler)(call)


@cache
def _handler(name: str) -> Handler:
    module, _, function = name.partition(".")
    return cast(Handler, getattr(import_module(f"flowplan.simulator.api.{module}"), function))


ROUTES = (
    Route("POST", "/login", "projects.log_in", public=True),
    Route("GET", "/v2/me", "projects.get_me"),
    Route("GET", "/v2/me/teammates", "projects.list_teammates"),
    Route("GET", "/v2/projects", "projects.list_projects"),
    Route("GET", "/v2/ssh-keys", "projects.list_ssh_keys", lags=True),
    Route("POST", "/v2/ssh-keys", "projects.create_ssh_key"),
    Route("PATCH", "/v2/ssh-keys/{ssh_key_fid}", "projects.change_ssh_key"),
    Route("DELETE", "/v2/ssh-keys/{ssh_key_fid}", "projects.delete_ssh_key"),
    Route("GET", "/v2/quotas", "quotas.list_quotas"),
    Route("GET", "/v2/instance-types", "prices.list_instance_types"),
    Route("GET", "/v2/image-versions", "prices.list_image_versions"),
    Route("GET", "/v2/spot/availability", "prices.list_availability"),
    Route("GET", "/v2/pricing/current", "prices.current_prices"),
    Route("GET", "/v2/pricing/history", "prices.price_history"),
    Route("GET", "/v2/spot/bids", "bid_views.list_bids", lags=True),
    Route("POST", "/v2/spot/bids", "bids.place_bid", replays=True),
    Route("GET", "/v2/spot/bids/{bid_fid}", "bid_views.get_bid"),
    Route("PATCH", "/v2/spot/bids/{bid_fid}", "bids.change_bid"),
    Route("DELETE", "/v2/spot/bids/{bid_fid}", "bids.cancel_bid"),
    Route("GET", "/v2/spot/bids/{bid_fid}/status", "bid_views.get_status"),
    Route("GET", "/v2/spot/bids/{bid_fid}/history", "bid_views.get_history"),
    Route("GET", "/v2/instances", "instances.list_instances", lags=True),
    Route("GET", "/v2/instances/status/history", "instances.status_history"),
    Route("GET", "/v2/instances/pricing/history", "billing.pricing_history"),
    Route("GET", "/v2/instances/{instance_fid}/status", "instances.get_status"),
    Route("GET", "/v2/volumes", "volumes.list_volumes", lags=True),
    Route("POST", "/v2/volumes", "volumes.create_volume", replays=True),
    Route("PATCH", "/v2/volumes/{volume_fid}", "volumes.rename_volume"),
    Route("DELETE", "/v2/volumes/{volume_fid}", "volumes.delete_volume"),
    Route("GET", "/v2/lifecycle-scripts", "lifecycle_scripts.list_scripts"),
    Route("POST", "/v2/lifecycle-scripts", "lifecycle_scripts.create_script"),
    Route("PATCH", "/v2/lifecycle-scripts/{ls_fid}", "lifecycle_scripts.change_script"),
    Route("DELETE", "/v2/lifecycle-scripts/{ls_fid}", "lifecycle_scripts.delete_script"),
    Route("GET", "/v2/lifecycle-scripts/{ls_fid}/content", "lifecycle_scripts.get_content"),
    Route("GET", "/v2/api-keys", "api_keys.list_api_keys"),
    Route("POST", "/v2/api-keys", "api_keys.create_api_key"),
    Route("DELETE", "/v2/api-keys/{api_key_fid}", "api_keys.revoke_api_key"),
    Route("PATCH", "/v2/instances", "unsold.change_instances"),
    Route("POST", "/v2/instances/{instance_fid}/restart", "unsold.restart"),
    Route("POST", "/v2/instances/{instance_fid}/refresh-boot-disk", "unsold.refresh_boot_disk"),
    Route("GET", "/v2/reservation", "unsold.list_reservations"),
    Route("GET", "/v2/kubernetes/clusters", "unsold.list_clusters"),
    Route("GET", "/users/{user_fid}/teammates", "projects.list_teammates_of"),
    Route("GET", "/users/{user_fid}/billing_check", "unsold.check_billing"),
    Route("GET", "/v2/cpu/instance-types", "unsold.list_cpu_instance_types"),
    Route("GET", "/v2/cpu/regions", "unsold.list_cpu_regions"),
    Route("GET", "/marketplace/v1/regions", "unsold.list_regions"),
)

_EXACT: dict[str, dict[str, Route]] = {}
_TEMPLATES: dict[tuple[str, ...], dict[str, Route]] = {}
for _route in ROUTES:
    if "{" in _route.template:
        _TEMPLATES.setdefault(tuple(_route.template.split("/")), {})[_route.method] = _route
    else:
        _EXACT.setdefault(_route.template, {})[_route.method] = _route


def find_route(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """The route of a request and its path parameters. Raises Refusal (404, 405)."""
    methods, params = (_EXACT[path], {}) if path in _EXACT else _find_template(path.split("/"))
    if method not in methods:
        raise Refusal(405, "Method Not Allowed", {"allow": ", ".join(sorted(methods))})
    return methods[method], params


def _find_template(segments: list[str]) -> tuple[dict[str, Route], dict[str, str]]:
    for template, methods in _TEMPLATES.items():
        if len(template) == len(segments):
            pairs = list(zip(template, segments, strict=True))
            if all(part == segment or (part[:1] == "{" and segment) for part, segment in pairs):
                return methods, {part[1:-1]: segment for part, segment in pairs if part[:1] == "{"}
    raise Refusal(404, "Not Found")
