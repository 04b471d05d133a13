"""plan --show-scripts: the script of a bid that is placed, or how it differs from the one that runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from flowplan.documents.schema import schema_of
from tests.conftest import APPLY, Place, bid_id
from tests.texts import task_text

SHOW = ("plan", "--show-scripts")
SCHEMA = Draft202012Validator(schema_of("plan"))
SCRIPT = "#!/bin/bash\nnvidia-smi\npython train.py --lr 1\n"
TOKEN = "hf_abcdefghijklmnopqrstuvwx0123"


def write(place: Place, script: str, name: str = "t") -> None:
    (place.path / "run.sh").write_text(script, newline="")
    place.write(task_text(name, more="startup_script_file: run.sh\n"))


def body(place: Place, *words: str) -> Any:
    found = json.loads(place.ok(*SHOW, "--format", "json", *words))
    SCHEMA.validate(found)
    return found


def entry(place: Place) -> Any:
    (one,) = [one for one in body(place)["resource_changes"] if one["type"] == "bid"]
    return one


def test_a_new_script_is_shown_whole(place: Place) -> None:
    write(place, SCRIPT)
    said = place.ok(*SHOW)
    assert "      startup script (3 lines):\n        | #!/bin/bash\n        | nvidia-smi\n        | python tr" in said
    assert "startup script (" not in place.ok("plan")
    one = entry(place)
    assert one["script"] == {"running": "new", "lines": [f"+{line}" for line in SCRIPT.splitlines()]}
    assert one["change"]["after"]["startup_script"]["text"] == SCRIPT


def test_of_a_change_the_difference_from_the_one_that_runs_is_shown(place: Place) -> None:
    write(place, SCRIPT)
    place.ok(*APPLY)
    assert "startup script" not in place.ok(*SHOW)
    write(place, SCRIPT.replace("--lr 1", "--lr 2"))
    said = place.ok(*SHOW)
    assert "startup script, beside the one that runs:\n        @@ -1,3 +1,3 @@\n          #!/bin/bash\n" in said
    assert "        - python train.py --lr 1\n        + python train.py --lr 2\n" in said
    one = entry(place)
    assert one["change"]["before"]["startup_script"]["text"] == SCRIPT
    assert one["script"]["running"] == "differs"


@pytest.mark.parametrize(
    ("old", "new", "running", "lines"),
    [
        ("", SCRIPT, "none", ["+#!/bin/bash", "+nvidia-smi", "+python train.py --lr 1"]),
        (SCRIPT, "", "differs", ["@@ -1,3 +1,0 @@", "-#!/bin/bash", "-nvidia-smi", "-python train.py --lr 1"]),
        ("a\nb\n", "a\nb", "differs", ["@@ -1,2 +1,3 @@", " a", " b", "+\\ No newline at end of file"]),
        ("a\nb", "a\nc", "differs", ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]),
    ],
)
def test_a_script_comes_and_goes(place: Place, old: str, new: str, running: str, lines: list[str]) -> None:
    write(place, old) if old else place.write(task_text("t"))
    place.ok(*APPLY)
    write(place, new) if new else place.write(task_text("t"))
    assert entry(place)["script"] == {"running": running, "lines": lines}
    place.ok(*SHOW)


def test_a_replacement_that_keeps_its_script_says_so(place: Place) -> None:
    write(place, SCRIPT)
    place.ok(*APPLY)
    said = place.ok(*SHOW, "--replace", "bid.t")
    assert "      startup script: the one that runs, unchanged\n" in said


def test_where_the_api_does_not_show_it_the_new_one_is_shown_whole(place: Place) -> None:
    write(place, SCRIPT)
    place.ok(*APPLY)
    found = bid_id(place, "bid.t")
    with place.simulator() as simulator, simulator.exclusive() as db:
        (sent,) = db.execute("SELECT launch FROM bids WHERE fid = ?", (found,)).fetchone()
        damaged = sent.replace("base64 -d", "base65 -d")
        db.execute("UPDATE bids SET launch = ? WHERE fid = ?", (damaged, found))
    write(place, "other\n")
    said = " ".join(place.ok(*SHOW).split())
    assert "(1 line); the API does not show the one that runs, so this is the whole new one: | other" in said
    assert entry(place)["script"] == {"running": "unknown", "lines": ["+other"]}
    assert "does not show the one that runs" in " ".join(place.ok(*SHOW, "--no-refresh").split())


def test_a_credential_is_masked_and_that_it_changed_is_shown(place: Place) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEabcdEFGH12345678\nq\n-----END RSA PRIVATE KEY-----\n"
    write(place, f"export X={TOKEN}\n{key}password: |\n  geheim\necho\n")
    first = place.ok(*SHOW)
    place.ok(*APPLY)
    write(place, f"export X={TOKEN[:-4]}4567\n{key}password: |\n  other1\necho\n")
    said, found = place.ok(*SHOW), json.dumps(body(place))
    for leak in (TOKEN[4:-4], "MIIE", "geheim", "other1"):
        assert leak not in first + said + found
    assert "- export X=" in said and "+ export X=" in said and "  echo\n" in said


def test_an_earlier_value_of_a_secret_is_masked_too(place: Place) -> None:
    """flowplan knows the value of now; what stood in its place was one, too."""

    def written(secret: str) -> None:
        (place.path / "run.sh").write_text(f"a\nlog in {secret}\nz\n")
        place.write(
            "version: 2\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
            f"variables: {{word: {{sensitive: true, default: {secret}}}}}\n"
            "tasks: {t: {resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b},\n"
            "  task_management: {utility_threshold_price: 9}, startup_script_file: run.sh}}\n"
        )

    written("plain-old-one")
    place.ok(*APPLY)
    written("plain-new-one")
    said = place.ok(*SHOW)
    assert "plain-" not in said
    assert "        - ********\n        + log in ********\n" in said
    written("s3cret-" * 12)  # longer than a line is wide
    assert "s3cret" not in place.ok(*SHOW)


def test_no_text_is_saved_and_the_digest_is_that_of_the_plan(place: Place) -> None:
    write(place, SCRIPT)
    shown = body(place, "--out", "p.json")
    saved = json.loads((place.path / "p.json").read_text())
    assert "nvidia-smi" in json.dumps(shown) and "nvidia-smi" not in json.dumps(saved)
    assert shown["sha256"] == saved["sha256"]
    (place.path / "q.json").write_text(json.dumps(shown))
    assert "nvidia-smi" not in place.ok("show", "q.json") + place.ok("show", "q.json", "--format", "json")
    place.ok("apply", "q.json", "--expect", saved["sha256"])


def test_an_edited_text_is_dropped_and_nothing_else_is(place: Place) -> None:
    write(place, SCRIPT)
    shown = body(place)
    (one,) = [one for one in shown["resource_changes"] if one["type"] == "bid"]
    one["change"]["after"]["startup_script"]["text"] = "rm -rf /"
    (place.path / "q.json").write_text(json.dumps(shown))
    assert "rm -rf" not in place.ok("show", "q.json", "--format", "json")
    one["change"]["after"]["startup_script"]["sha256"] = "0" * 64
    (place.path / "q.json").write_text(json.dumps(shown))
    assert place.run("show", "q.json").code == 3


def test_a_script_of_a_megabyte_is_folded(place: Place) -> None:
    line = f"echo {'the same ' * 6}again\n"
    write(place, line * 16_000 + "x" * 9000 + "\nlast\n")
    said = place.ok(*SHOW)
    assert "more lines; --verbose shows them @@" in said and "| last\n" in said
    assert len(said.splitlines()) < 130
    assert max(map(len, said.splitlines())) <= 80
    assert len(place.ok(*SHOW, "--verbose").splitlines()) > 16_000


def test_what_a_terminal_would_obey_is_escaped(place: Place) -> None:
    write(place, "a\x1b[2Jb\n\tc\r\n\u202egnp\n")
    said = place.ok(*SHOW)
    assert "| a\\x1b[2Jb\n        |     c\\r\n        | \\u202egnp\n" in said


def test_a_script_that_has_little_in_common_is_shown_whole(place: Place) -> None:
    write(place, "echo a\n" * 3000)
    place.ok(*APPLY)
    write(place, "echo b\n" * 3000)
    assert "startup script (3,000 lines), with little of the one that runs:\n        | echo b\n" in place.ok(*SHOW)
    write(place, "echo a\n" * 3000 + "echo more\n")
    assert "        + echo more\n" in place.ok(*SHOW)


def test_alike_bids_are_folded_if_their_scripts_are_equal(place: Place) -> None:
    write(place, SCRIPT)
    tasks = "".join(f"  t{n}: {{startup_script_file: run.sh}}\n" for n in range(5))
    place.write(
        "version: 2\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
        "defaults: {resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b},\n"
        f"  task_management: {{utility_threshold_price: 9}}}}\ntasks:\n{tasks}"
    )
    assert place.ok(*SHOW).count("| nvidia-smi") == 1
    (place.path / "other.sh").write_text("other\n")
    place.edit("t4: {startup_script_file: run.sh}", "t4: {startup_script_file: other.sh}")
    said = place.ok(*SHOW)
    assert (said.count("| nvidia-smi"), said.count("| other")) == (1, 1)


@pytest.mark.parametrize("form", ["markdown", "github", "html", "gitlab-terraform"])
def test_a_format_that_shows_none_is_refused(place: Place, form: str) -> None:
    write(place, SCRIPT)
    found = place.run(*SHOW, "--format", form)
    assert (found.code, f"--format {form} shows no scripts" in found.err) == (64, True)


def test_apply_shows_them_with_its_plan(place: Place) -> None:
    write(place, SCRIPT)
    assert "| nvidia-smi\n" in place.ok(*APPLY, "--show-scripts")
