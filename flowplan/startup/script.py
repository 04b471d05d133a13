"""The startup script as sent: shebang, marker, values, steps, the user's own script. Same input, same text.

    inline       the steps as bash that can be read; the user's script as base64
    compressed   when that is over the limit: steps and user's script as base64 of gzip; marker and values
                 still in plain, so that the length does not depend on ids that are not known yet

Either way the user's bytes are checked by SHA-256 on the instance before they run. They are base64 even
inline: a quoted heredoc could be read, but would rely on every part of the way keeping line ends, the last
newline, NUL and characters outside ASCII, and on none of them seeing a template in it.

Values reach bash only as single assignments through `shlex.quote`, and only if their grammar allows them.
Jinja is imported when something is rendered, not before: `check` needs it only for long scripts.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shlex
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import attrs

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.errors import ConfigError
from flowplan.model.address import Address
from flowplan.model.resources import VOLUME_NAME
from flowplan.patterns import regex
from flowplan.startup import marker as marker_line

if TYPE_CHECKING:
    from jinja2 import Template

    from flowplan.model.live import Marker
    from flowplan.model.resources import ContainerImage, Inputs, Mount, Script

LIMIT = 10_000  # characters (fcp: "Startup script"; the length of the whole text as sent)
PATIENCE = 120  # seconds that a script waits in all for disks and shares to appear
ID_LENGTH = 20  # of a volume id that is not known yet; also how much of it names its disk

# Never less than the steps with all their parts, inline, and everything else that is the same in each script; what
# formatting takes comes on top where something may be formatted.
STEPS_LENGTH = 5_460
FORMATS_LENGTH = 1_010
ENDS_LENGTH = 1_050
NEVER = 9 * 10**17  # minutes, or seconds since the epoch: for a bound that there is not

VOLUME_ID = regex(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
DIRECTORY = regex(r"(/(?!\.\.?(/|$))[A-Za-z0-9._-]+)+/?", re.ASCII)
DEVICE = regex(r"/dev(/(?!\.\.?(/|$))[A-Za-z0-9._-]+)+", re.ASCII)
IMAGE_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", re.ASCII)


@frozen
class Parts:
    """Which parts of the steps a script has, by the names that steps.sh.j2 uses."""

    ports: bool
    forwards: bool
    disks: bool
    formats: bool  # some of the disks may be formatted
    shares: bool
    image: bool
    context: bool
    script: bool
    ends: bool
    when_done: bool

    @classmethod
    def of(cls, inputs: Inputs) -> Parts:
        """What the script of these inputs needs."""
        image = inputs.container_image
        return cls(
            ports=bool(inputs.ports),
            forwards=any(pair.external != pair.internal for pair in inputs.ports),
            disks=bool(inputs.local_disks) or any(m.interface == "Block" for m in inputs.mounts),
            formats=_formats(inputs),
            shares=any(m.interface == "File" for m in inputs.mounts),
            image=image is not None,
            context=image is not None and image.build_context is not None,
            script=inputs.startup_script is not None,
            ends=inputs.ends is not None and (inputs.ends.minutes, inputs.ends.moment) != (None, None),
            when_done=inputs.ends is not None and inputs.ends.when_done and inputs.startup_script is not None,
        )

    @property
    def steps(self) -> bool:
        """Whether it does anything before the user's own script."""
        return self.ports or self.disks or self.shares or self.image or self.ends


def render(inputs: Inputs, marker: Marker, *, root: str = "", patience: int = PATIENCE) -> str:
    """The whole script as sent, inline if that is at most LIMIT characters, else compressed.

    `marker` is `Marker.of(inputs, ...)`. `root` and `patience` are for tests, which run the script away from
    `/` and do not wait. Raises ConfigError when a value is unsafe or the script too long in both forms,
    ValueError when the marker is not that of `inputs` or the text of the user's script is not known.
    """
    if (marker.inputs, marker.ports, marker.mounts) != (inputs.sha256, inputs.ports, inputs.mounts):
        raise ValueError("the marker is not that of these inputs")
    if problem := _unsafe(inputs):
        raise ConfigError([problem])
    inline, compressed = _forms(inputs, marker, root, patience)
    if compressed is None:
        return inline
    if len(compressed) > LIMIT:
        raise ConfigError([_too_long(len(inline), len(compressed))])
    return compressed


def check(inputs: Inputs, address: Address, stack: str) -> Diagnostic | None:
    """What keeps a script from being sent, or None. It has no position: the caller knows where the script is.

    Works before the ids of volumes are known, which count as 20 characters, the marker's lineage, intent and generation
    at their longest; renders only when `upper_bound` proves nothing.
    """
    if problem := _unsafe(inputs):
        return problem
    if upper_bound(inputs, address, stack) <= LIMIT:
        return None
    inline, compressed = _measured_forms(inputs, address, stack)
    if compressed is None or len(compressed) <= LIMIT:
        return None
    return _too_long(len(inline), len(compressed))


def upper_bound(inputs: Inputs, address: Address, stack: str) -> int:
    """A length that the inline form never exceeds, for inputs without unsafe values. Renders nothing.

    Percent-encoding makes at most 3 characters of a byte, `shlex.quote` at most 5 of one and 2 for the word;
    ports and mounts count twice, in the marker and as values (where grammar leaves nothing to quote).
    """
    length = STEPS_LENGTH + FORMATS_LENGTH * _formats(inputs) + 3 * (_size(stack) + _size(str(address)))
    length += ENDS_LENGTH * (inputs.ends is not None)
    length += 24 * len(inputs.ports)
    for mount in inputs.mounts:
        length += 2 * (_id_length(mount) + len(mount.mount_point)) + len(mount.volume_name) + 40
    for disk in inputs.local_disks:
        length += len(disk.device) + len(disk.mount_point) + 10
    if image := inputs.container_image:
        texts = (image.image_name, image.build_context or "", image.run_options or "")
        length += sum(8 * len(text) for text in texts)
    if script := inputs.startup_script:
        length += (script.size + 2) // 3 * 4
    return length


def _formats(inputs: Inputs) -> bool:
    """Whether some disk may be formatted: an attached volume never is."""
    return bool(inputs.local_disks) or any(mount.interface == "Block" and mount.created for mount in inputs.mounts)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _id_length(mount: Mount) -> int:
    return ID_LENGTH if isinstance(mount.volume, Address) else len(mount.volume)


def _measured_forms(inputs: Inputs, address: Address, stack: str) -> tuple[str, str | None]:
    """What `_forms` makes of the longest ids that there may be."""
    from flowplan.model.live import Marker

    known = attrs.evolve(inputs, mounts=tuple(map(_with_id, inputs.mounts)))
    marker = Marker(
        stack=stack,
        lineage="L" * marker_line.LINEAGE_LENGTH,
        address=address,
        generation=10**marker_line.GENERATION_DIGITS - 1,
        intent="I" * marker_line.INTENT_LENGTH,
        inputs="0" * 64,
        ports=known.ports,
        mounts=known.mounts,
    )
    return _forms(known, marker, "", PATIENCE)


def _with_id(mount: Mount) -> Mount:
    return attrs.evolve(mount, volume="v" * ID_LENGTH) if isinstance(mount.volume, Address) else mount


def _forms(inputs: Inputs, marker: Marker, root: str, patience: int) -> tuple[str, str | None]:
    """The inline form; and the compressed one if inline is too long."""
    head = f"#!/bin/bash\n{marker_line.line(marker)}\n# Made by flowplan. Log: /var/log/flowplan-startup.log\n"
    parts = Parts.of(inputs)
    user = _user_bytes(inputs.startup_script)
    inline = f"{head}{_values(inputs, root, patience, behind=False)}{_steps(parts, user)}"
    if len(inline) <= LIMIT:
        return inline, None
    head += "# shellcheck disable=SC2034\n"  # the values are used by what is compressed
    values = _values(inputs, root, patience, behind=True)
    return inline, f"{head}{values}{_bootstrap(parts, inputs.startup_script)}"


def _values(inputs: Inputs, root: str, patience: int, *, behind: bool) -> str:
    """The assignments at the top: the only place where values become bash."""
    lines = ["set -uo pipefail", f"root={shlex.quote(root)}"]
    if inputs.ports:
        lines.append(f"ports={shlex.quote(marker_line.ranges(inputs.ports, ' '))}")
    if inputs.mounts or inputs.local_disks:
        lines += [f"patience={patience:d}", f"mounts={_array(_mounts(inputs))}"]
    if image := inputs.container_image:
        lines.append(f"image={shlex.quote(image.image_name)}")
        if image.build_context is not None:
            lines.append(f"context={shlex.quote(image.build_context)}")
        lines.append(f"run_options={_array(shlex.split(image.run_options or ''))}")
    if (ends := inputs.ends) and (ends.minutes, ends.moment) != (None, None):
        lines.append(f"minutes={ends.minutes or NEVER:d}\nmoment={NEVER if ends.moment is None else ends.moment:d}")
    if script := inputs.startup_script:
        lines += [f"size={script.size:d}"] if behind else []
        lines.append(f"sha256={shlex.quote(script.sha256)}")
    return "\n".join(lines) + "\n"


def _array(words: list[str]) -> str:
    return f"({' '.join(map(shlex.quote, words))})"


def _mounts(inputs: Inputs) -> list[str]:
    """How, what and where, of each mount; a directory before what is mounted below it."""
    found = [_mount(mount) for mount in inputs.mounts]
    found += [("local", disk.device, disk.mount_point) for disk in inputs.local_disks]
    return [word for mount in sorted(found, key=lambda mount: mount[2]) for word in mount]


def _mount(mount: Mount) -> tuple[str, str, str]:
    if mount.interface == "File":
        return "share", mount.volume_name, mount.mount_point
    return (
        "created" if mount.created else "attached",
        f"/dev/disk/by-id/virtio-{str(mount.volume)[:ID_LENGTH]}",
        mount.mount_point,
    )


def _user_bytes(script: Script | None) -> bytes:
    if script is None:
        return b""
    if script.text is None:
        raise ValueError("the text of the startup script is not known, only its digest")
    data = script.text.encode()
    if hashlib.sha256(data).hexdigest() != script.sha256 or len(data) != script.size:
        raise ValueError("the startup script is not the one that its digest names")
    return data


def _steps(parts: Parts, user: bytes) -> str:
    before, after = _around_user(parts)
    return f"{before}{base64.b64encode(user).decode()}{after}"


@lru_cache(maxsize=256)
def _around_user(parts: Parts) -> tuple[str, str]:
    """What stands before the user's script and after it: the same for all tasks that do the same before it."""
    before, _, after = _template("steps.sh.j2").render(_names(parts), behind=False, base64="\0").partition("\0")
    return before, after


# Tasks made by `for_each` share their script, and packing is what costs.
@lru_cache(maxsize=256)
def _bootstrap(parts: Parts, script: Script | None) -> str:
    """What replaces the steps: the same anywhere, whatever the ids, names and ports are."""
    packed = _template("steps.sh.j2").render(_names(parts), behind=True).encode() + _user_bytes(script)
    return _template("bootstrap.sh.j2").render(
        base64=base64.b64encode(_gzip(packed)).decode(), sha256=hashlib.sha256(packed).hexdigest()
    )


def _names(parts: Parts) -> dict[str, bool]:
    return attrs.asdict(parts) | {"steps": parts.steps}


def _gzip(data: bytes) -> bytes:
    """Without time and name; gzip.compress would leave the header's system byte to the version of Python."""
    from gzip import GzipFile

    packed = io.BytesIO()
    with GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
        file.write(data)
    return packed.getvalue()


@cache
def _template(name: str) -> Template:
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # noqa: S701 - bash, not HTML; no value of a user is ever rendered
        block_start_string="@%",
        block_end_string="%@",
        variable_start_string="@{",
        variable_end_string="}@",
        comment_start_string="@#",
        comment_end_string="#@",
        line_statement_prefix="#%",
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    return environment.from_string(files(__package__).joinpath(name).read_text("utf-8"))


def _too_long(inline: int, compressed: int) -> Diagnostic:
    return Diagnostic(
        "script-too-long",
        f"the startup script is too long: {inline:,} characters, {compressed:,} compressed; "
        f"the platform accepts at most {LIMIT:,}",
        hint="shorten it, and let it fetch the rest from a volume, a repository or an image",
    )


def _unsafe(inputs: Inputs) -> Diagnostic | None:
    """The first value that must not get into a shell, however well quoted."""
    for what, value in chain(_bad_ports(inputs), _bad_mounts(inputs), _bad_image(inputs.container_image)):
        return Diagnostic("unsafe-value", f"not a usable {what}: {value!r}")
    return None


def _bad_ports(inputs: Inputs) -> Iterator[tuple[str, str]]:
    for pair in inputs.ports:
        if not (0 < pair.external < 65536 and 0 < pair.internal < 65536 and pair.protocol == "tcp"):
            yield "port", f"{pair}/{pair.protocol}"


def _bad_mounts(inputs: Inputs) -> Iterator[tuple[str, str]]:
    points = [mount.mount_point for mount in inputs.mounts] + [disk.mount_point for disk in inputs.local_disks]
    yield from (("mount point", point) for point in points if not DIRECTORY.fullmatch(point))
    for disk in inputs.local_disks:
        if not DEVICE.fullmatch(disk.device):
            yield "device", disk.device
    names: set[str] = set()
    for mount in inputs.mounts:
        name = mount.volume if isinstance(mount.volume, str) else ""
        if name[:ID_LENGTH] in names or not (VOLUME_ID.fullmatch(name) or isinstance(mount.volume, Address)):
            yield "volume id", name
        if mount.interface == "File" and not VOLUME_NAME.fullmatch(mount.volume_name):
            yield "volume name", mount.volume_name
        elif mount.interface == "Block" and name:
            names.add(name[:ID_LENGTH])  # another one like it could not be told apart on the instance


def _bad_image(image: ContainerImage | None) -> Iterator[tuple[str, str]]:
    if image is None:
        return
    if not IMAGE_NAME.fullmatch(image.image_name):
        yield "image name", image.image_name
    context = image.build_context
    if context is not None and not (context and context.isprintable() and not context.startswith("-")):
        yield "build context", context
    try:
        words = shlex.split(image.run_options or "")
    except ValueError:  # a quote that is not closed
        yield "run options", image.run_options or ""
    else:
        yield from (("run option", word) for word in words if not word.isprintable())
