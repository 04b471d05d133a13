"""Environment, setup, command and image -> one startup script. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from attrs import field

from flowplan.classes import frozen

_SHELL = "#!/bin/bash\n"


@frozen
class Program:
    """What runs on each instance: `setup` and then `run`, each a script of its own, with `env` exported, in a container
    of `image` that sees the directories `mounts`, or without one."""

    run: str = ""
    setup: str = ""
    env: Mapping[str, str] = field(factory=dict)
    image: str = ""
    mounts: Sequence[str] = ()

    @property
    def startup_script(self) -> str:
        """The whole, as bash. A script that runs alone stays as it is, with its own #! line."""
        alone = not (self.setup or self.env or self.image)
        if alone and self.run.startswith("#!"):
            return _ended(self.run)
        body = self._body()
        if not body and not self.env:
            return ""
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.env.items())
        return _SHELL + exports + (self._contained(body) if self.image and body else body)

    def _body(self) -> str:
        parts = []
        if self.setup:
            # A subshell that is tested (`|| exit`) would not obey a `set -e` of its own.
            parts.append(f'(\n{_inlined(self.setup)})\nstatus=$?\n[ "$status" -eq 0 ] || exit "$status"\n')
        return "".join([*parts, _inlined(self.run) if self.run else ""])

    def _contained(self, body: str) -> str:
        words = ["docker", "run", "--rm", "--gpus", "all", "--network", "host"]
        words += [word for name in self.env for word in ("--env", name)]
        words += [word for mount in self.mounts for word in ("--volume", f"{mount}:{mount}")]
        return f"{shlex.join([*words, self.image, 'bash', '-c', body])}\n"


def _ended(text: str) -> str:
    return text.rstrip("\n") + "\n"


def _inlined(script: str) -> str:
    """`script` as a part of another: one with a #! line runs by its own interpreter."""
    if not script.startswith("#!"):
        return _ended(script)
    end = "END_OF_SCRIPT"
    while end in script:
        end += "_"
    return f'program=$(mktemp)\ncat > "$program" <<\'{end}\'\n{_ended(script)}{end}\nchmod +x "$program"\n"$program"\n'
