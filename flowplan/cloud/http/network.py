"""The network, as what sends requests: requests, with a deadline for each attempt. Imported on the first call."""

from __future__ import annotations

from collections.abc import Mapping

from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError

from flowplan.cloud.http.deadline import DeadlineAdapter, within
from flowplan.cloud.http.request import Outgoing
from flowplan.cloud.http.response import Reply, answered, unanswered
from flowplan.cloud.http.wire import Patience


class Network:
    """Sends what goes out by HTTP; safe for several threads. `verify`: True, or a file or a directory with the
    certificate authorities to trust instead of those that come with requests. `pool`: connections that are kept."""

    def __init__(self, verify: bool | str, proxies: Mapping[str, str], pool: int) -> None:
        self._verify, self._proxies = verify, dict(proxies)
        trusted = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
        self._adapter = DeadlineAdapter(trusted, pool_connections=1, pool_maxsize=pool, max_retries=0)

    def send(self, request: Outgoing, own_id: str, patience: Patience) -> Reply:
        """Sends once. Whatever the network does comes back as a `Reply`."""
        made = PreparedRequest()
        made.method, made.url, made.body = request.method, request.url, request.body
        made.headers = CaseInsensitiveDict(request.headers)
        with within(patience.deadline):
            try:
                response = self._adapter.send(
                    made,
                    stream=True,
                    timeout=(patience.connect, patience.read),
                    verify=self._verify,
                    proxies=self._proxies,
                )
            except (OSError, HTTPError) as error:  # requests' own exceptions are OSErrors
                return unanswered(error, own_id)
            return answered(response, own_id)

    def close(self) -> None:
        """Closes the idle connections."""
        self._adapter.close()
