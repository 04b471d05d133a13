"""Which secret a run sends to the server of a state, and which variables count at the place that a state moves to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from flowplan.classes import frozen
from flowplan.secret import Secret

# The variable of the place that a state moves to -> the one that it stands for there.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "FLOWPLAN_TO_HTTP_USERNAME": "FLOWPLAN_HTTP_USERNAME",
        "FLOWPLAN_TO_HTTP_PASSWORD": "FLOWPLAN_HTTP_PASSWORD",
        "FLOWPLAN_TO_PGPASSWORD": "PGPASSWORD",
        "FLOWPLAN_TO_S3_ENDPOINT": "FLOWPLAN_S3_ENDPOINT",
        "FLOWPLAN_TO_AWS_REGION": "AWS_REGION",
        "FLOWPLAN_TO_AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
        "FLOWPLAN_TO_AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
        "FLOWPLAN_TO_AWS_SESSION_TOKEN": "AWS_SESSION_TOKEN",
        "FLOWPLAN_TO_AZURE_ENDPOINT": "FLOWPLAN_AZURE_ENDPOINT",
        "FLOWPLAN_TO_AZURE_STORAGE_KEY": "AZURE_STORAGE_KEY",
        "FLOWPLAN_TO_AZURE_STORAGE_SAS_TOKEN": "AZURE_STORAGE_SAS_TOKEN",
    }
)
# Each with the first letters of what says who somebody is: where one is given, no other of those letters counts there.
_WHO = (
    (("FLOWPLAN_HTTP_",), ("FLOWPLAN_HTTP_USERNAME", "FLOWPLAN_HTTP_PASSWORD")),
    (
        (
            "AWS_ACCESS_",
            "AWS_SECRET_",
            "AWS_SESSION_",
            "AWS_PROFILE",
            "AWS_WEB_IDENTITY_",
            "AWS_ROLE_",
            "AWS_CONTAINER_",
        ),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    ),
    (
        ("AZURE_STORAGE_", "AZURE_CLIENT_", "AZURE_TENANT_", "AZURE_FEDERATED_"),
        ("AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"),
    ),
)


@frozen
class Sent:
    """`secret` goes, as it is, to each of `servers`; `variables` are those that say it, none: the URL of the state."""

    servers: frozenset[str]
    secret: Secret
    variables: tuple[str, ...]

    def astray(self, there: Sent | None) -> bool:
        """Whether `there`, what is sent elsewhere, is this secret, and goes to a server that this one does not."""
        if there is None or not there.variables or there.servers <= self.servers:
            return False
        return there.secret.reveal() == self.secret.reveal()


def at_target(environ: Mapping[str, str]) -> Mapping[str, str]:
    """`environ` as it counts at the place that a state moves to."""
    given = {name: environ[variable] for variable, name in VARIABLES.items() if environ.get(variable)}
    hidden = tuple(letters for all, names in _WHO if not given.keys().isdisjoint(names) for letters in all)
    return {**{name: value for name, value in environ.items() if not name.startswith(hidden)}, **given}


def of_target(variables: Iterable[str]) -> list[str]:
    """The variables that stand for `variables` at the place that a state moves to."""
    wanted = set(variables)
    return [one for one, name in VARIABLES.items() if name in wanted]
