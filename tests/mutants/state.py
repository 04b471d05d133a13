"""Mistakes seeded in flowplan/state."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "bring back what was ended with an older version",
        "state/history.py",
        "if binding.id in now.ended}",
        "if binding.id in version.ended}",
        ("tests/state/test_history.py",),
    ),
    Mistake(
        "apply a saved plan again after a restore",
        "state/history.py",
        "        plans=now.plans or version.plans,",
        "        plans=version.plans,",
        ("tests/state/test_history.py",),
    ),
    Mistake(
        "presume of what is in doubt only what its marker says",
        "state/ownership.py",
        "strays(presumed, live)",
        "strays(state, live)",
        ("tests/api/test_goes_on.py", "-k", "made_after_all"),
    ),
    Mistake(
        "adopt without marker",
        "state/ownership.py",
        "        if bid.marker is not None and not bid.ended and bid.marker.lineage == lineage\n"
        "        if bid.marker.address == intent.address and bid.marker.intent == intent.intent\n",
        "        if not bid.ended and bid.bid.name == intent.name\n",
        ("tests/faults/test_doubt.py",),
    ),
    Mistake(
        "compare the size that the API made",
        "state/ownership.py",
        '    if "size_gb" in volume.unreported or volume.size_gb == applied.capacity_gb:\n',
        '    if "size_gb" in volume.unreported:\n',
        ("tests/faults/test_unreported.py",),
    ),
    Mistake(
        "adopt a volume whenever it was made",
        "state/ownership.py",
        "    if created is not None and not early - doubt <= created <= late + doubt:\n        return False\n",
        "",
        ("tests/faults/test_whose.py", "-k", "three_days or created"),
    ),
    Mistake(
        "adopt a volume of unknown age",
        "state/ownership.py",
        "    certain = timely and found",
        "    certain = (timely or created is None) and found",
        ("tests/faults/test_whose.py", "-k", "created or known"),
    ),
    Mistake(
        "adopt a volume that somebody uses",
        "state/ownership.py",
        " and not found.unreported and not volume.users\n",
        " and not found.unreported\n",
        ("tests/faults/test_whose.py", "-k", "uses"),
    ),
    Mistake(
        "no CRC check",
        "state/journal.py",
        "    whole = data[at : at + _HEAD] == _head(payload) and",
        "    whole = data[at : at + 9] == _head(payload)[:9] and",
        ("tests/state/test_state.py",),
    ),
    Mistake(
        "adopt another stack's bid",
        "state/ownership.py",
        "        if marker is None or bid.ended or marker.lineage != state.lineage or bid.id in known:",
        "        if marker is None or bid.ended or bid.id in known:",
        ("tests/faults/test_doubt.py",),
    ),
    Mistake(
        "know a bid in doubt by its address",
        "state/ownership.py",
        "        if bid.marker.address == intent.address and bid.marker.intent == intent.intent\n",
        "        if bid.marker.address == intent.address and bid.marker.generation == intent.generation\n",
        ("tests/state/test_ownership.py",),
    ),
    Mistake(
        "take what cannot be read for somebody else's while a create is in doubt",
        "state/ownership.py",
        "unread = [one for one in bids if one.unfit and not one.ended and one.marker is None]",
        "unread: list[LiveBid] = []",
        ("tests/faults/test_odd_rows.py", "-k", "no_proof"),
    ),
    Mistake(
        "adopt what was released",
        "state/ownership.py",
        '    if id in state.released:\n        return "was released',
        '    if not state:\n        return "was released',
        ("tests/faults/test_release.py",),
    ),
    Mistake(
        "an id that was ended is taken from an answer",
        "state/ownership.py",
        "    if id in state.ended and not",
        "    if not id and not",
        ("tests/faults/test_lies.py", "-k", "has_ended"),
    ),
    Mistake(
        "this machine's clock alone tells whose a volume is",
        "state/ownership.py",
        "last.server is not None else WRONG",
        "last.server is not None else 0.0",
        ("tests/faults/test_hidden_lists.py", "-k", "machines"),
    ),
    Mistake(
        "what the journal ended is forgotten",
        "state/journal.py",
        "                ended |= ended_by(intent)\n",
        "",
        ("tests/faults/test_absence.py", "-k", "crash"),
    ),
    Mistake(
        "keep secrets of run_options in the state",
        "state/codec.py",
        "plain(inputs.shown)",
        "plain(inputs)",
        ("tests/faults/test_secrets.py", "-k", "holds_the_value"),
    ),
    Mistake(
        "a create in doubt that does not say what it makes is read",
        "state/journal.py",
        '    if cls is Intent and entry.get("op") == "create":\n        cls = CreateIntent\n',
        "",
        ("tests/state/test_state.py",),
    ),
    Mistake(
        "a state has its own name for what was not reported",
        "state/codec.py",
        'return {"rename": field.metadata["key"]} if "key" in field.metadata else {}',
        "return {}",
        ("tests/state/test_codec.py",),
    ),
    Mistake(
        "bring back after a crash what a removed block released",
        "state/journal.py",
        '        released=(state.released - {id}) | ({done.released} - {""}),\n',
        "        released=state.released - {id},\n",
        ("tests/apply/test_working_state.py", "tests/operations/test_hand_over.py", "-k", "released"),
    ),
)
