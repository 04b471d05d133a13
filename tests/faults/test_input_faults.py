"""Input faults, row by row: what a file may hold by accident or by malice, and that nothing comes of it.

Each is a problem with file, line and column and exit code 65, before any call; `FAULTS` is the table.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from flowplan.config import Source, read
from flowplan.config.yaml import SIZE_LIMIT
from flowplan.diagnostics import Diagnostic
from flowplan.errors import ConfigError
from flowplan.operations.opening.sources import find
from tests.config.task_texts import TYPE, line, problem_of, problems_of, read_texts, task_of
from tests.conftest import Place


def port(text: str) -> str:
    return f"ports:\n  - {text}\n{TYPE}"


def price(text: str) -> str:
    return f"task_management:\n  utility_threshold_price: {text}\n{TYPE}"


def mount(text: str) -> str:
    return f"persistent_storage:\n  attach:\n    volume_name: data\n    mount_point: {text}\n{TYPE}"


def instances(text: str) -> str:
    return f"num_instances: {text}\n{TYPE}"


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))

# name -> (text, line:column, what the message must name)
FAULTS: dict[str, tuple[str | bytes, str, str]] = {
    "file over the cap": (b"# " + b"x" * SIZE_LIMIT, "1:1", "larger than 10 MB"),
    "alias bomb": (BOMB, "18:18", "more than 1,000,000 values with its aliases expanded"),
    "recursive alias": ("a: &a [*a]\n", "1:8", "*a contains itself"),
    "recursive alias, mapping": ("a: &a {b: *a}\n", "1:11", "*a contains itself"),
    "duplicate key": (f"name: x\n{TYPE}name: y\n", "3:1", "the key 'name' is given twice"),
    "duplicate key, deep": (mount("/mnt/a\n    volume_name: other"), "5:5", "the key 'volume_name' is given twice"),
    "tab": (f"name: x\n{TYPE}ports:\n\t- 80\n", "4:1", "there is a tab where spaces are expected"),
    "tab behind a colon": (f"name:\tx\n{TYPE}", "1:6", "there is a tab between values"),
    "NUL": (f"name: x\0\n{TYPE}", "1:8", "U+0000"),
    "C1": (f"name: x\x9d\n{TYPE}", "1:8", "U+009D"),
    "escape character": (f"name: \x1b[2J\n{TYPE}", "1:7", "U+001B"),
    "lone surrogate": (b"name: \xed\xb0\x80\n", "1:7", "is not UTF-8"),
    "not UTF-8": (b"name: caf\xe9\n", "1:10", "0xe9 is not UTF-8"),
    "UTF-16, little-endian": (f"name: x\n{TYPE}".encode("utf-16"), "1:1", "UTF-16"),
    "UTF-16, big-endian": (b"\xfe\xff" + "name: x\n".encode("utf-16-be"), "1:1", "UTF-16"),
    "UTF-16 without mark": ("name: x\n".encode("utf-16-le"), "1:2", "U+0000"),
    "deep nesting": ("a: " + "[" * 100_000, "1:53", "nested more than 50 deep"),
    "deep nesting in blocks": ("- " * 60 + "x\n", "1:101", "nested more than 50 deep"),
    "money 1e309": (price("1e309"), "2:28", "must be at most 1,000,000, not 1e309"),
    "money .inf": (price(".inf"), "2:28", "'.inf' is not a number of dollars"),
    "money -.inf": (price("-.inf"), "2:28", "'-.inf' is not a number of dollars"),
    "money .nan": (price(".nan"), "2:28", "'.nan' is not a number of dollars"),
    "money 0": (price("0"), "2:28", "must be above zero"),
    "money 0.00": (price("0.00"), "2:28", "must be above zero"),
    "money negative": (price("-17.92"), "2:28", "must be above zero"),
    "money three decimals": (price("17.921"), "2:28", "has more than 2 decimals"),
    "money tiny": (price("1e-9"), "2:28", "has more than 2 decimals"),
    "money true": (price("true"), "2:28", "must be a number of dollars per instance-hour, not true or false"),
    "money null": (price("null"), "2:28", "has no value"),
    "money comma": (price("'17,92'"), "2:28", "is not a number of dollars"),
    "money leading zero": (price("017.92"), "2:28", "is not a number of dollars"),
    "money, other digits": (price("١٧"), "2:28", "is not a number of dollars"),
    "5,000-digit integer": (instances("9" * 5000), "1:16", "must be a whole number from 1 to 256, not 9999"),
    "5,000-digit money": (price("9" * 5000), "2:28", "is not a number of dollars"),
    "5,000-digit port": (port("9" * 5000), "2:5", "is not a port"),
    "integer 1.9": (instances("1.9"), "1:16", "must be a whole number from 1 to 256, not 1.9"),
    "integer 1.0": (instances("1.0"), "1:16", "must be a whole number from 1 to 256, not 1.0"),
    "integer '7'": (instances("'7'"), "1:16", "must be a whole number from 1 to 256, not text"),
    "integer true": (instances("true"), "1:16", "must be a whole number from 1 to 256, not true or false"),
    "integer 010": (instances("010"), "1:16", "must be a whole number from 1 to 256, not 010"),
    "integer 0x10": (instances("0x10"), "1:16", "must be a whole number from 1 to 256, not 0x10"),
    "integer 1_0": (instances("1_0"), "1:16", "must be a whole number from 1 to 256, not text"),
    "port 010": (port("010"), "2:5", "'010' is not a port"),
    "port '010'": (port("'010'"), "2:5", "'010' is not a port"),
    "non-string key": (f"on: yes\n1: x\n{TYPE}", "2:1", "a key must be text, but 1 is a number"),
    "boolean key": (f"true: x\n{TYPE}", "1:1", "a key must be text, but true is true or false"),
    "null key": (f"null: x\n{TYPE}", "1:1", "this key is empty"),
    "list key": (f"[a]: x\n{TYPE}", "1:1", "a key must be text, not a list"),
    "port 0": (port("0"), "2:5", "'0' is not a port"),
    "port -1": (port("-1"), "2:5", "'-1' is not a port"),
    "port 65536": (port("65536"), "2:5", "65536 is not a port"),
    "port 22.0": (port("22.0"), "2:5", "'22.0' is not a port"),
    "port '22 '": (port('"22 "'), "2:5", "'22 ' is not a port"),
    "port true": (port("true"), "2:5", "true or false is not a port"),
    "port null": (port("null"), "2:5", "nothing (null) is not a port"),
    "port, other digits": (port("٨٠٨٠"), "2:5", "is not a port"),
    "range reversed": (port("9000-8000"), "2:5", "the range 9000-8000 is reversed"),
    "range empty": (port("'8000-'"), "2:5", "'8000-' is not a port"),
    "range wide": (port("8000-9000"), "2:5", "the range 8000-9000 has 1,001 ports"),
    "ranges of other widths": (port("8000-8001:9000-9002"), "2:5", "are not equally long"),
    "ports overlap": (port("8000-8010\n  - 8005"), "3:5", "the external port 8005 is published twice"),
    "port reserved": (port("22"), "2:5", "the external port 22 is reserved for SSH"),
    "port not published": (port("81"), "2:5", "the external port 81 cannot be published"),
    "port by udp": (port("{external: 9000, protocol: udp}"), "2:32", "udp ports cannot be published"),
    "shell in a directory": (mount("/mnt/$(reboot)"), "4:18", "must be an absolute path"),
    "quote in a directory": (mount('"/mnt/a\'b"'), "4:18", "must be an absolute path"),
    "line in a directory": (mount('"/mnt/a\\nb"'), "4:18", "must be an absolute path"),
    "option as a directory": (mount("/mnt/-rf"), "4:18", "must be an absolute path"),
    "relative directory": (mount("mnt/a"), "4:18", "must be an absolute path"),
    "directory with ..": (mount("/mnt/../etc"), "4:18", "has a part that is . or .."),
    "directory with //": (mount("/mnt//a"), "4:18", "must be an absolute path"),
    "root directory": (mount("/"), "4:18", "nothing can be mounted at /"),
    "shell in a name": (f"name: $(reboot)\n{TYPE}", "1:7", "must be letters, digits"),
    "option as a name": (f"name: -rf\n{TYPE}", "1:7", "must be letters, digits"),
    "shell in an image": (f"container_image: {{image_name: a;b}}\n{TYPE}", "1:31", "must be an image"),
    "NEL": (f"name: x\x85ports: [80]\n{TYPE}", "1:8", "U+0085"),
    "line separator": (f"name: x\u2028\n{TYPE}", "1:8", "U+2028"),
    "empty file": ("", "1:1", "there is no task in this file"),
    "scalar at the top": ("hello\n", "1:1", "must be a mapping, not text"),
    "list at the top": ("- name: x\n", "1:1", "must be a mapping, not a list"),
    "date as a name": (f"name: 2020-01-01T00:00:00Z\n{TYPE}", "1:7", "'2020-01-01T00:00:00Z' must be letters"),
    "unknown field": (f"prots: [80]\n{TYPE}", "1:1", "unknown key 'prots'"),
    "tag": ("!!python/object/apply:os.system ['true']\n", "1:1", "tags are not read"),
    "ESC in a name": (f'name: "a\\e[31m"\n{TYPE}', "1:7", r"'a\x1b[31m' must be letters"),
    "BiDi in a name": (f"name: a\u202eb\n{TYPE}", "1:7", r"'a\u202eb' must be letters"),
    "zero width in a name": (f"name: a\u200bb\n{TYPE}", "1:7", r"'a\u200bb' must be letters"),
    "homoglyph in a name": (f"name: tr\u0430in\n{TYPE}", "1:7", "must be letters"),
    "homoglyph in a key": (f"n\u0430me: x\n{TYPE}", "1:1", "unknown key"),
    "credential": (f"api_key: fkey_0123456789\n{TYPE}", "1:1", "'api_key': credentials are not read from files"),
    "credential, deep": (price("1\n  access_token: hunter2"), "3:3", "credentials are not read from files"),
}


def fault(text: str | bytes, place: str) -> Diagnostic:
    """The problem at `place`, which is the first that matters (a bomb's keys are unknown, too)."""
    with pytest.raises(ConfigError) as caught:
        read_texts(text)
    assert caught.value.exit_code == 65
    found = [problem for problem in caught.value.problems if str(problem.position) == f"a.yaml:{place}"]
    assert found, [line(problem) for problem in caught.value.problems]
    return found[0]


@pytest.mark.parametrize(("text", "place", "names"), FAULTS.values(), ids=FAULTS.keys())
def test_fault(text: str | bytes, place: str, names: str) -> None:
    problem = fault(text, place)
    assert names in problem.summary
    assert problem.severity == "error"
    assert problem.code is not None


@pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith("port ") and name[5:6] in "0-26'tn"])
def test_a_wrong_port_is_told_what_a_port_is(name: str) -> None:
    text, place, _ = FAULTS[name]
    if "reserved" not in name and "not published" not in name:
        assert "1 to 65535" in (fault(text, place).hint or "")


@pytest.mark.parametrize("name", [name for name in FAULTS if "credential" in name])
def test_credentials_are_never_repeated(name: str) -> None:
    text, place, _ = FAULTS[name]
    problem = fault(text, place)
    assert "FLOWPLAN_API_KEY" in (problem.hint or "")
    assert "hunter2" not in repr(problem)
    assert "0123456789" not in repr(problem)


@pytest.mark.parametrize("name", [name for name in FAULTS if "homoglyph" in name])
def test_a_homoglyph_is_named(name: str) -> None:
    text, place, _ = FAULTS[name]
    assert fault(text, place).detail == "it has the character U+0430 (cyrillic small letter a)"


@pytest.mark.parametrize("text", [text for text, _, _ in FAULTS.values()], ids=FAULTS.keys())
def test_no_message_holds_what_a_terminal_would_obey(text: str | bytes) -> None:
    for problem in problems_of(text):
        told = "".join([problem.summary, problem.hint or "", problem.detail or "", problem.source or ""])
        assert all(char.isprintable() or char == "\t" for char in told)
        assert len(told) < 2_000


DIRECTORIES = [
    *("/", "/bin", "/boot/x", "/dev", "/dev/shm", "/etc", "/etc/cron.d", "/lib", "/lib64/x", "/proc", "/root/.ssh"),
    *("/run", "/run/x", "/sbin", "/sys/fs", "/tmp", "/tmp/x", "/usr/local", "/usr/"),
    *(
        "/home",
        "/home/ubuntu",
        "/media",
        "/mnt",
        "/opt",
        "/opt/mithril",
        "/opt/foundry",
        "/var",
        "/var/lib",
        "/var/log",
    ),
]


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_system_directories_are_no_place_for_a_volume(directory: str) -> None:
    problem = problem_of(mount(directory))
    assert problem.summary == f"nothing can be mounted at {directory}"
    assert problem.detail


@pytest.mark.parametrize(
    "directory", ["/data", "/mnt/a.b_c-d/e", "/volumes/x", "/opt/x", "/var/lib/docker", "/home/ubuntu/data", "/library"]
)
def test_places_for_a_volume(directory: str) -> None:
    assert task_of(mount(directory)).volumes[0].mount_point == directory


# ---- what looks like a fault, and is none ---------------------------------------------------------------


def test_a_byte_order_mark_is_fine() -> None:
    assert task_of(f"\ufeffname: x\n{TYPE}".encode()).name == "x"


def test_money_with_an_exponent_is_read_exactly() -> None:
    assert task_of(price("1e3")).limit_price.amount == Decimal("1000.00")


def test_money_never_passes_through_a_float() -> None:
    assert str(task_of(price("0.29")).limit_price.amount) == "0.29"
    assert str(task_of(price("999999.99")).limit_price.amount) == "999999.99"


def test_a_pair_without_quotes_is_not_base_60() -> None:
    assert [str(pair) for pair in task_of(port("2222:22")).ports] == ["2222:22"]


def test_dates_stay_texts() -> None:
    assert task_of(f"name: 2020-01-01\n{TYPE}").name == "2020-01-01"


def test_on_and_yes_are_texts() -> None:
    assert problem_of(f"on: yes\n{TYPE}").code == "unknown-key"
    assert task_of(f"name: yes\n{TYPE}").name == "yes"


@pytest.mark.parametrize("text", ["{{ x }}", "{% if y %}", "{# z #}", "${#a[@]}", "${x}", "$${y}", "<%= z %>"])
def test_templates_in_a_script_are_taken_literally(text: str) -> None:
    script = task_of(f"startup_script: |\n  echo {text}\n{TYPE}").startup_script
    assert script is not None
    assert script.text == f"echo {text}\n"


def test_windows_line_ends_of_scripts_are_normalised_with_a_warning() -> None:
    config = read_texts(f"startup_script: |\r\n  a\r\n  b\r\n{TYPE}")
    (task,) = config.tasks.values()
    assert task.startup_script is not None
    assert task.startup_script.text == "a\nb\n"
    assert [problem.code for problem in config.warnings] == ["crlf"]


def test_anchors_and_merge_keys_work() -> None:
    text = (
        "persistent_storage:\n  create:\n"
        "    - &v {volume_name: a, size: 1, region_id: &r us-central1-b}\n    - {<<: *v, volume_name: b}\n"
        "resources_specification: {fcp_instance: 8xh100, cluster_id: *r}\n"
    )
    config = read_texts(text)
    assert [(volume.name, volume.size_gb) for volume in config.volumes.values()] == [("a", 1), ("b", 1)]
    assert [task.region for task in config.tasks.values()] == ["us-central1-b"]


# ---- files that are no files ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fifo", "symlink loop", "dangling symlink", "missing", "device"])
def test_what_is_no_regular_file_is_refused_and_holds_nobody_up(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "flowplan.yaml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "symlink loop":
        path.symlink_to(path)
    elif kind == "dangling symlink":
        path.symlink_to(tmp_path / "gone")
    elif kind == "device":
        path.symlink_to(os.devnull)
    with pytest.raises(ConfigError) as caught:
        find([str(path)], tmp_path)
    assert caught.value.exit_code == 65


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "flowplan.yaml"
    with path.open("wb") as file:
        file.truncate(SIZE_LIMIT * 100)
    (source,), _ = find([str(path)], tmp_path)
    assert len(source.data) == SIZE_LIMIT + 1
    with pytest.raises(ConfigError):
        read([source], lambda source, path: b"")


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "No such file"), IsADirectoryError(21, "Is a directory"), OSError("odd")]
)
def test_a_script_that_cannot_be_read_is_a_problem(error: OSError) -> None:
    def fails(source: str, path: str) -> bytes:
        raise error

    with pytest.raises(ConfigError) as caught:
        read([Source("a.yaml", f"startup_script_file: run.sh\n{TYPE}".encode())], fails)
    (problem,) = caught.value.problems
    assert problem.summary == f"run.sh cannot be read: {error.strerror or error}"
    assert str(problem.position) == "a.yaml:1:22"


# ---- every command says so, and calls nobody --------------------------------------------------------------

COMMANDS = [("validate",), ("plan",), ("apply", "--auto-approve")]


@pytest.mark.parametrize("name", FAULTS)
def test_every_command_refuses_before_any_call(name: str, place: Place) -> None:
    text, where, _ = FAULTS[name]
    (place.path / "flowplan.yaml").write_bytes(
        text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    )
    for command in COMMANDS:
        result = place.run(*command)
        assert result.code == 65, result
        assert f"flowplan.yaml:{where}" in result.out + result.err
    assert not (place.path / ".flowplan").exists()  # the simulator was not even opened
    assert not (place.path / "flowplan.state.json").exists()


def test_a_destroy_is_not_held_up_by_a_broken_file(place: Place) -> None:
    """The one command that differs: who wants to stop paying must not be stopped by a typo."""
    place.write(f"name: [\n{TYPE}")
    assert place.run("destroy", "--auto-approve").code == 0
    assert place.ledger() == []


def test_a_script_that_cannot_be_sent_is_refused_with_its_size(place: Place) -> None:
    noise = os.urandom(20_000).hex()
    place.write(f"startup_script: |\n  # {noise}\n{TYPE}")
    result = place.run("validate")
    assert result.code == 65, result
    assert "flowplan.yaml:1:" in result.out + result.err
    assert "10,000" in result.out + result.err


def test_overlapping_ports_name_both_lines() -> None:
    text, _, _ = FAULTS["ports overlap"]
    assert isinstance(text, str)
    assert [position.line for _, position in fault(text, "3:5").also] == [2]


@pytest.mark.parametrize(
    ("wrong", "meant"), [("prots", "ports"), ("startup_scirpt", "startup_script"), ("nam", "name")]
)
def test_a_near_miss_is_told_what_was_meant(wrong: str, meant: str) -> None:
    assert meant in (fault(f"{wrong}: x\n{TYPE}", "1:1").hint or "")


# ---- the rows of the matrix ---------------------------------------------------------------------------------

# row -> what covers it: the beginnings of names in FAULTS, or of tests here
ROWS: dict[str, tuple[str, ...]] = {
    "file over the cap, non-regular file, FIFO, symlink loop": ("file over", "test_what_is_no_regular", "test_a_large"),
    "alias bomb": ("alias bomb",),
    "recursive alias": ("recursive alias",),
    "duplicate keys": ("duplicate key",),
    "tabs, NUL, C1, lone surrogate, non-UTF-8": ("tab", "NUL", "C1", "lone surrogate", "not UTF-8", "UTF-16"),
    "deep nesting": ("deep nesting",),
    "1e309, .inf, .nan, 1e3 as money": ("money 1e309", "money .inf", "money .nan", "test_money_with_an_exponent"),
    "5,000-digit int": ("5,000-digit",),
    "port 010": ("port 010", "port '010'"),
    "port map 22:22 unquoted": ("test_a_pair_without_quotes",),
    "on: yes": ("non-string key", "boolean key", "test_on_and_yes"),
    'ports 0, -1, 65536, 22.0, "22 ", true, null': (
        *("port 0", "port -1", "port 65536", "port 22.0", "port '22 '", "port true", "port null"),
        "test_a_wrong_port_is_told",
    ),
    "range reversed, empty, > 1,000 wide, widths differ": ("range ", "ranges of other widths"),
    "overlapping external ports, or with reserved": (
        "ports overlap",
        "port reserved",
        "test_overlapping",
        "port by udp",
    ),
    "shell metacharacters in mount_point / names": (
        *("shell in", "quote in", "line in", "option as", "relative", "directory with", "root directory"),
        "test_system_directories",
    ),
    "templates in a startup script": ("test_templates_in_a_script",),
    "CRLF": ("test_windows_line_ends",),
    "BOM, NEL, empty file, scalar top level, null/list keys, timestamps": (
        *("test_a_byte_order_mark", "NEL", "empty file", "scalar at the top", "null key", "list key"),
        *("date as a name", "test_dates_stay"),
    ),
    "unknown field / near-miss spelling": ("unknown field", "test_a_near_miss"),
    "script > API limit": ("test_a_script_that_cannot_be_sent",),
    "ESC / BiDi / zero-width / homoglyph in names": ("ESC", "BiDi", "zero width", "homoglyph", "test_a_homoglyph"),
}


def test_every_row_of_the_matrix_is_covered() -> None:
    names = [*FAULTS, *(name for name in globals() if name.startswith("test_"))]
    missing = [(row, start) for row, starts in ROWS.items() for start in starts if not covered(start, names)]
    assert not missing
    print(f"3.3: {len(ROWS)} rows, {len(FAULTS)} faults in files x {len(COMMANDS)} commands, 0 calls")


def covered(start: str, names: list[str]) -> bool:
    return any(name.startswith(start) for name in names)
