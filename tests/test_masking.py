"""What looks like a credential, and what only looks a little like one; texts without it."""

from __future__ import annotations

import attrs
import pytest

from flowplan import masking
from flowplan.model.address import Address
from flowplan.model.resources import ContainerImage, Inputs, Mount, Script

BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
LONG = "Ab3/+dEf9x" * 50  # 500 characters
HEX = "0123456789abcdef" * 4

SECRETS = {
    "private key": f"cat >key <<END\n-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\nEND\n",
    "private key, RSA": f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n",
    "private key, encrypted": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,"
    f"0123456789ABCDEF0123456789ABCDEF\n\n{BODY}\n",
    "private key, in echos": f'echo "-----BEGIN PRIVATE KEY-----"\necho "{BODY}"\n',
    "private key, escaped": f'key="-----BEGIN OPENSSH PRIVATE KEY-----\\n{BODY}\\n"',
    "hugging face": "export X=hf_abcdefghijklmnopqrstuvwx",
    "github": "git clone https://ghp_abcdefghij0123456789abcdefghij@github.com/a/b",
    "fcp": "fkey_0123456789abcdef0123",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "literal": "export DB_PASSWORD=correct-horse-battery",
    "literal in quotes": "HF_TOKEN='0123456789abcdef'",
    "url": "git clone https://kim:hunter22@git.example/a.git",
}
HARMLESS = {
    "a line that says where a key would be": 'echo "-----BEGIN PRIVATE KEY-----"',
    "a search for keys": "grep -rl -- '-----BEGIN RSA PRIVATE KEY-----' /etc | wc -l\nls /usr/share/Ca1/certificates\n",
    "a test for keys": "if head -1 key | grep -q 'BEGIN PRIVATE KEY'; then exit 1; fi",
    "a public key": f"-----BEGIN PUBLIC KEY-----\n{BODY}\n",
    "from elsewhere": 'export HF_TOKEN="$(cat /mnt/secrets/hf)"\nexport API_KEY=$KEY\n',
    "short": "TOKEN=none",
    "a name": "pip install hf_transfer sk-learn",
    "a digest": f"sha256sum -c <<< '{HEX}  file'",
    "url with variables": "git clone https://kim:$PASSWORD@git.example/a.git",
}


@pytest.mark.parametrize("script", SECRETS.values(), ids=SECRETS.keys())
def test_a_script_that_holds_a_secret(script: str) -> None:
    assert masking.secret_in(script) is not None


@pytest.mark.parametrize("script", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_script_that_does_not(script: str) -> None:
    assert masking.secret_in(script) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"name: {LONG}", "name: ********"),
        (f"fkey_{LONG}", "fkey_********"),
        ("x: fkey_a-b+c/d=e~f&g.h tail", "x: fkey_******** tail"),
        (f"[a, hf_{'x' * 500}, b]", "[a, hf_********, b]"),
        (f"name: {'k' * 500}", "name: ********"),
        ("password: 'two words, and: more'", "password: ********"),
        ("https://kim:pw@host/a", "https://********@host/a"),
        ("--state postgres://ann@db:5432/infra/train", "--state postgres://ann@db:5432/infra/train"),
        ("postgresql://ann@a,b/infra; postgres://kim:pw@a/b", "postgresql://ann@a,b/infra; postgres://********@a/b"),
        ("postgres://kim@pw@host/a", "postgres://********@host/a"),
        ("image: kim:pw@registry.example/a", "image: ********@registry.example/a"),
        ("-----BEGIN PRIVATE KEY----- MIIE", "********"),
        (f"image: a/b@sha256:{HEX}", f"image: a/b@sha256:{HEX}"),
        ('run_options: "-e A=b c" # d', 'run_options: "-e A=********'),
        ("['--env', '--env=A=b', x]", "['--env', '--env=A=********"),
        ("-iteA=b", "-iteA=********"),
        ("sed -e s,=,x, a", "sed -e s,=,x, a"),
        ("curl -u kim:pw https://h", "curl -u kim:******** https://h"),
        ("-u 1000:1000 --user kim", "-u 1000:1000 --user kim"),
        ("Authorization: Bearer abc", "Authorization: ********"),
        ("author: kim", "author: kim"),
        ("image: nvcr.io/nvidia/pytorch:24.05-py3", "image: nvcr.io/nvidia/pytorch:24.05-py3"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        (
            "mount_point: /mnt/a-rather-long-path/of/Several/Words",
            "mount_point: /mnt/a-rather-long-path/of/Several/Words",
        ),
    ],
)
def test_texts_are_shown_without_it(text: str, shown: str) -> None:
    assert masking.masked(text) == shown
    assert masking.masked(shown) == shown


@pytest.mark.parametrize(
    ("options", "shown", "secret"),
    [
        ("--gpus all -p 80:80 -v /a:/b", None, False),
        ("-e HF_TOKEN=abc", "-e HF_TOKEN=masked", True),
        ("-e GREETING='hello world'", "-e GREETING=masked", False),
        ("-e HF_TOKEN", None, False),
        ("--env HF_TOKEN=abc", "--env HF_TOKEN=masked", True),
        ("--env=HF_TOKEN=abc", "--env=HF_TOKEN=masked", True),
        ("-eHF_TOKEN=abc", "-eHF_TOKEN=masked", True),
        ("-ite HF_TOKEN=abc", "-ite HF_TOKEN=masked", True),
        ("-e A=B=C", "-e A=masked", False),
        ("-e X=hf_0123456789abcdef", "-e X=masked", True),
        ("--env-file secrets.env", None, False),
        ("-u 1000:1000", None, False),
        ("--user kim:hunter2!", "--user kim:masked", True),
        ("--password hunter2", "--password masked", True),
        ("--password=hunter2", "--password=masked", True),
        ("--secret id=a,src=b", "--secret masked", True),
        ("--label token=abc", "--label token=masked", True),
        ("--name hf_0123456789abcdef", "--name masked", True),
        ("--x https://kim:pw@host/", "--x masked", True),
        ("-e DB_PASSWORD=", None, False),
        ("-iteAUTH=abc", "-iteAUTH=masked", True),
        ("-it -e=A=b", "-it -e=A=masked", False),
        ("--user=kim:hunter2!", "--user=kim:masked", True),
        ("-ukim:hunter2!", "-ukim:masked", True),
        ("-itukim:hunter2!", "-itukim:masked", True),
        ("-itu kim:hunter2!", "-itu kim:masked", True),
        ("-u1000:1000 --user=1000", None, False),
        ("--health-cmd 'curl -u kim:pw http://h'", "--health-cmd masked", True),
        ("--entrypoint 'x -H Authorization:Bearer'", "--entrypoint masked", True),
    ],
)
def test_run_options_are_shown_without_values_of_the_environment(options: str, shown: str | None, secret: bool) -> None:
    wanted = shown or options
    assert masking.options(options) == (wanted, secret)
    assert masking.options(wanted) == (wanted, False)


def test_what_is_masked_tells_nothing_of_the_value() -> None:
    """Of a digest a short value can be guessed: one of an earlier version goes, too."""
    shown = {masking.options(f"-e PIN={value} -u kim:{value}")[0] for value in ("x", "a1b2", "masked:0123abcd")}
    assert shown == {"-e PIN=masked -u kim:masked"}


def carrying(options: str, *mounts: Mount) -> Inputs:
    return Inputs(Script.of("echo"), mounts=mounts, container_image=ContainerImage("a", None, options))


def test_what_is_kept_of_inputs_has_the_digest_of_what_they_are() -> None:
    """The digest in live markers is that of the values themselves, and stays."""
    real = carrying("-e TOKEN=abcdefgh")
    assert real.sha256 == "157a4d146c04b4c1968e1b3a2084449d3f4a573c6663a76df4ce0152b9ae335a"
    assert real.shown.sha256 == real.sha256
    assert "abcd" not in repr(real.shown)
    assert real.shown.complete and real.shown.alike(real) and real.alike(real.shown)
    assert not real.shown.alike(carrying("-e TOKEN=abcdefgi"))
    assert real.shown.alike(carrying("-e   'TOKEN=abcdefgh'")) and carrying("-e 'TOKEN=abcdefgh'").alike(real.shown)
    assert carrying("--gpus all").shown == carrying("--gpus all")
    planned = carrying("-e TOKEN=abcdefgh", Mount(Address("volume", "data"), "/mnt/a"))
    assert "abcd" not in repr(planned.shown)


def test_what_an_earlier_version_kept_is_compared_by_its_own_digests() -> None:
    real = carrying("-e TOKEN=abcdefgh")
    image = ContainerImage("a", None, "-e TOKEN=masked:9c56cc51")
    kept = attrs.evolve(real, container_image=image, given_sha256=real.sha256)
    assert kept.alike(real) and kept.alike(carrying("-e 'TOKEN=abcdefgh'"))
    assert not kept.alike(carrying("-e TOKEN=abcdefgi"))
    assert "9c56" not in repr(kept.shown)
