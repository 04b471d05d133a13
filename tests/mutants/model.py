"""Mistakes seeded in flowplan/model."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "call a bid free of whose status nobody knows what it means",
        "model/live.py",
        "return None if status not in STATUSES else status in",
        "return status in",
        ("tests/reports/test_status.py", "-k", "paid_now"),
    ),
    Mistake(
        "replace a bid for the order of its mounts",
        "model/resources.py",
        "        return known._unordered() == full._unordered()\n",
        "        return known.sha256 == full.sha256\n",
        ("tests/planning/test_spelling.py",),
    ),
    Mistake(
        "replace a bid for the order in its marker",
        "model/resources.py",
        "    if full._ordered_as(known).sha256 == known.sha256:\n",
        "    if full.sha256 == known.sha256:\n",
        ("tests/planning/test_spelling.py",),
    ),
    Mistake(
        "replace a bid for line ends that an older flowplan made of its script",
        "model/resources.py",
        "        return (self, attrs.evolve(self, startup_script=script)) if script else (self,)\n",
        "        return (self,)\n",
        ("tests/planning/test_sent_before.py",),
    ),
    Mistake(
        "replace a bid for the spelling of masked options",
        "model/resources.py",
        "        return known.unordered_sha256 == full._in_any_order()\n",
        "        return False\n",
        ("tests/planning/test_sent_before.py",),
    ),
    Mistake(
        "mount a renamed volume by its old name",
        "model/resources.py",
        "        name = (called or {}).get(id, mount.volume_name) if isinstance(id, str) else mount.volume_name\n",
        "        name = mount.volume_name\n",
        ("tests/planning/test_spelling.py",),
    ),
    Mistake(
        "of two rows about a bid the last one counts",
        "model/live.py",
        "return other if self.ended else self",
        "return self",
        ("tests/faults/test_answers_of_others.py", "-k", "bid_listed_twice"),
    ),
    Mistake(
        "deactivated means ended whatever the status says",
        "model/live.py",
        "(self.deactivated and self.has_strange_status)",
        "self.deactivated",
        ("tests/faults/test_absence.py", "-k", "deactivation"),
    ),
    Mistake(
        "a price below zero counts",
        "model/bounds.py",
        "type(value) is int and 0 <= value <= 100 * HIGHEST",
        "type(value) is int and value <= 100 * HIGHEST",
        ("tests/cloud/test_bounds.py", "-k", "price_that_cannot or negative"),
    ),
    Mistake(
        "an amount may be as high as it likes",
        "model/bounds.py",
        "if not value.is_finite() or not 0 <= value <= HIGHEST:",
        "if not value.is_finite() or value < 0:",
        ("tests/cloud/test_bounds.py", "-k", "amount"),
    ),
    Mistake(
        "a lineage may lead out of its directory",
        "model/bounds.py",
        "    if not is_name(value):\n",
        "    if not isinstance(value, str):\n",
        ("tests/cloud/test_bounds.py", "-k", "never_writes"),
    ),
    Mistake(
        "replace every bid whose options an earlier version masked",
        "model/resources.py",
        "    return known._unordered() == attrs.evolve(full, container_image=digested)._unordered()\n",
        "    return False\n",
        ("tests/test_masking.py", "-k", "earlier_version"),
    ),
    Mistake(
        "another value that is masked is no difference",
        "model/resources.py",
        "    if known.unordered_sha256 is not None:\n",
        "    if known._unordered() == full.shown._unordered():\n        return True\n    if known.unordered_sha256:\n",
        ("tests/test_masking.py", "-k", "has_the_digest"),
    ),
    Mistake(
        "replace a bid because its options are masked",
        "model/resources.py",
        "given_sha256=self.sha256, unordered",
        "given_sha256=None, unordered",
        ("tests/test_masking.py", "-k", "has_the_digest"),
    ),
    Mistake(
        "the lock's command is printed as it is",
        "model/owner.py",
        "{shown(self.command, 400)}",
        "{self.command}",
        ("tests/faults/test_inert.py", "-k", "the_lock"),
    ),
    Mistake(
        "another number of GPUs is proposed",
        "model/near_types.py",
        "if means.fits(kind) and kind.gpus == means.gpus]",
        "if means.fits(kind) and kind.gpus != means.gpus]",
        ("tests/planning/test_near_types.py",),
    ),
    Mistake(
        "take base64 for the script that it encodes",
        "model/live.py",
        ", _ENCODED.fullmatch(sent.strip()))",
        ")",
        ("tests/operations/test_imported_scripts.py", "-k", "no_script_to_be_sent"),
    ),
)
