"""Mistakes seeded in flowplan/files."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "take too few open files for a device that fails",
        "files/atomic.py",
        ", *_LIMITS) else Unwritten",
        ") else Unwritten",
        ("tests/cli/test_commands.py", "-k", "cannot_be_saved"),
    ),
    Mistake(
        "what ends things waits for ever for the rest of values that somebody began to write",
        "files/regular.py",
        "if not poll.poll(max(until - time.monotonic(), 0) * 1000):",
        "if not poll.poll(None if found else max(until - time.monotonic(), 0) * 1000):",
        ("tests/cli/test_variables.py", "-k", "do_not_come and True", "--timeout", "60"),
    ),
    Mistake(
        "a FIFO is read like a file",
        "files/regular.py",
        "if not stat.S_ISREG(mode):",
        "if stat.S_ISSOCK(mode):",
        ("tests/faults/test_fifo.py", "--timeout", "60"),
    ),
    Mistake(
        "drop the fsync of a new file",
        "files/atomic.py",
        "        os.fsync(descriptor)\n    finally:\n        os.close(descriptor)\n\n\ndef _set_mode",
        "    finally:\n        os.close(descriptor)\n\n\ndef _set_mode",
        ("tests/faults/test_power.py", "-k", "sixth and names"),
    ),
    Mistake(
        "skip the fsync of the directory of a replaced file",
        "files/atomic.py",
        "    sync_directory(target.parent)\n",
        "",
        ("tests/faults/test_power.py", "-k", "sixth and last"),
    ),
    Mistake(
        "write the state in place",
        "files/atomic.py",
        "        temporary.replace(target)\n",
        "        target.unlink(missing_ok=True)\n        _write_new(target, data)\n        temporary.unlink()\n",
        ("tests/backends/test_local.py",),
    ),
    Mistake(
        "a state that others can read",
        "files/atomic.py",
        "PRIVATE = 0o600",
        "PRIVATE = 0o644",
        ("tests/backends/test_local.py",),
    ),
    Mistake(
        "write a new file over one that is there",
        "files/atomic.py",
        "            take_name(temporary, path)\n",
        "            temporary.replace(path)\n",
        ("tests/operations/test_generate.py", "-k", "exists_stays"),
    ),
    Mistake(
        "write a new file over one that is there, where there are no links",
        "files/atomic.py",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE",
        "os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE",
        ("tests/backends/test_local.py", "-k", "without_links"),
    ),
    Mistake(
        "begin no apply where the file system does not sync directories",
        "files/atomic.py",
        "        if error.errno not in _NO_DIRECTORY_SYNC:\n",
        "        if error.errno != 0:\n",
        ("tests/backends/test_local.py", "-k", "directories_are_not_synced"),
    ),
    Mistake(
        "take it for done where a disk fails to sync a directory",
        "files/atomic.py",
        "        if error.errno not in _NO_DIRECTORY_SYNC:\n",
        "        if error.errno == 0:\n",
        ("tests/backends/test_local.py", "-k", "directories_are_not_synced"),
    ),
    Mistake(
        "save no state where the file system has no permissions",
        "files/atomic.py",
        "        os.fchmod(descriptor, mode)\n    except OSError as error:\n        if error.errno not in _HAS_NONE:\n",
        "        os.fchmod(descriptor, mode)\n    except OSError as error:\n        if error.errno != 0:\n",
        ("tests/backends/test_local.py", "-k", "without_permissions"),
    ),
    Mistake(
        "a file that cannot be looked at is gone",
        "files/private.py",
        "    except OSError:\n        return False\n    return False\n",
        "    except OSError:\n        return True\n    return False\n",
        ("tests/operations/test_sources.py",),
    ),
)
