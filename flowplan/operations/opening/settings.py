"""Settings of an operation: where the stack is, and whom it talks to. Values only; nothing is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import frozen
from flowplan.errors import UsageProblem
from flowplan.secret import Secret

if TYPE_CHECKING:
    from flowplan.state.form import Form

PUBLIC_API = "https://api.mithril.ai"
SIMULATOR = "sim:"
SIMULATOR_DATA = ".flowplan/simulator.db"
SIMULATOR_START = "FLOWPLAN_SIMULATOR_START"
PLAN_KEY = "FLOWPLAN_PLAN_KEY"
STATE = "FLOWPLAN_STATE"
NO_HOOKS = "FLOWPLAN_NO_HOOKS"
_KEY_LENGTH = 16


@frozen
class Streamed:
    """What was read from a stream: how messages name it, and its bytes."""

    name: str
    data: bytes = field(repr=False)


@frozen
class Settings:
    """`directory`: what every relative path starts from; a relative one is taken from the working directory of the
    process. `state`: the file or URL of the state; "" leaves it to `environ` and the stack files. `given_api_url`,
    `project`, `ssh_key`: None leaves them to `environ`, where variables stand as in `os.environ`. `lock_timeout`:
    seconds to wait for the lock. `lock` False: only to look. `command` says what the lock tells others is running.
    `variables`: names and texts of a stack's variables, the last of a name wins; `variable_files`: files of such, or
    what was read from one. `allow_plaintext`: where there is a key, read also what is not encrypted. `endpoint`: the
    server of a state at s3://; "" leaves it to `environ`. `typed`: what is said to type, as it is typed to work on this
    state and these files."""

    directory: Path = Path()
    state: str = ""
    given_api_url: str | None = None
    project: str | None = None
    ssh_key: str | None = None
    lock_timeout: float = 0.0
    lock: bool = True
    environ: Mapping[str, str] = field(factory=dict, repr=False)
    command: Callable[[], str] = lambda: "flowplan"
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    variable_files: tuple[str | Streamed, ...] = field(default=(), repr=False)
    allow_plaintext: bool = False
    endpoint: str = ""
    typed: Callable[[str], str] = str

    def form(self) -> Form:
        """How one run reads and writes its state and saved plans, by the keys in `environ`. Raises UsageProblem for a
        key that is none."""
        from flowplan.backends.keys import form_of

        return form_of(self.environ, self.directory, allow_plaintext=self.allow_plaintext)

    @property
    def named_state(self) -> str:
        """The file of the state that is named here or in `environ`; "": none is."""
        named = self.state or self.environ.get(STATE, "")
        return str(self.directory / named) if named else ""

    @property
    def api_url(self) -> str:
        """The one given, else FLOWPLAN_API_URL, MITHRIL_API_URL, the public API; without a slash at the end. Raises
        UsageProblem for one that holds a credential."""
        found = self.given_api_url or self.environ.get("FLOWPLAN_API_URL") or self.environ.get("MITHRIL_API_URL")
        found = (found or PUBLIC_API).rstrip("/")
        if "@" in found and not found.startswith(SIMULATOR):
            raise UsageProblem(
                "the API's URL must not hold a user name or a password",
                hint="take them out; flowplan --help says where credentials come from",
            )
        return found

    @property
    def simulated(self) -> bool:
        """Whether `api_url` means the embedded simulator."""
        return self.api_url.startswith(SIMULATOR)

    @property
    def simulator_data(self) -> Path:
        """The data of the embedded simulator, for an `api_url` that means it."""
        return self.directory / (self.api_url.removeprefix(SIMULATOR) or SIMULATOR_DATA)

    @property
    def simulator_start(self) -> datetime:
        """Where the clock of a new simulator starts: FLOWPLAN_SIMULATOR_START, else the hour that has begun. Raises
        UsageProblem for what is no time."""
        from flowplan.simulator.clock import start_of

        return start_of(self.environ.get(SIMULATOR_START, ""), SIMULATOR_START)

    @property
    def runs_hooks(self) -> bool:
        """Whether hooks may run: FLOWPLAN_NO_HOOKS does not say otherwise, as it does for what a hook starts."""
        return self.environ.get(NO_HOOKS, "").strip().lower() in ("", "0", "false", "no", "off")

    @property
    def ssh_keys(self) -> tuple[str, ...]:
        """The key of tasks that name none: the one given, else FOUNDRY_SSH_KEY_NAME."""
        name = self.ssh_key or self.environ.get("FOUNDRY_SSH_KEY_NAME")
        return (name,) if name else ()

    @property
    def plan_key(self) -> Secret | None:
        """FLOWPLAN_PLAN_KEY: with it saved plans are signed, and only signed ones are carried out. Raises
        UsageProblem for one that is too short."""
        key = self.environ.get(PLAN_KEY)
        if not key:
            return None
        if len(key) < _KEY_LENGTH:
            raise UsageProblem(
                f"{PLAN_KEY} is shorter than {_KEY_LENGTH} characters", hint="openssl rand -hex 32 makes one"
            )
        return Secret(key)

    @property
    def has_empty_plan_key(self) -> bool:
        """Whether FLOWPLAN_PLAN_KEY is set, but empty: as CI sets a secret that it does not pass on."""
        return self.environ.get(PLAN_KEY) == ""
