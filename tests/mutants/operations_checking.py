"""Mistakes seeded in flowplan/operations/checking."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "a stack that is renamed, and has moved a task, is refused as another",
        "operations/checking/environment.py",
        "*former_addresses(config), *removals(config)",
        "*removals(config)",
        ("tests/operations/test_other_stack.py", "-k", "given_up_another"),
    ),
    Mistake(
        "record the prefix of another environment although nothing was done",
        "operations/checking/environment.py",
        " or not (outcome.done or plan.empty):",
        ":",
        ("tests/operations/test_environments.py", "-k", "once_something"),
    ),
    Mistake(
        "carry out a plan with another value of a sensitive variable",
        "operations/checking/sensitive.py",
        "    if other:\n",
        "    if False:\n",
        ("tests/operations/test_variables.py", "-k", "refused_with_its_name"),
    ),
    Mistake(
        "a plan has digests from which a sensitive value can be guessed",
        "operations/checking/sensitive.py",
        "    return hmac.new(key, ",
        "    return hmac.new(b'known', ",
        ("tests/operations/test_variables.py", "-k", "refused_with_its_name"),
    ),
    Mistake(
        "the digest of a configuration in a plan lets a sensitive value be guessed",
        "operations/checking/sensitive.py",
        '    return _digest(key, "config", config.sha256), {',
        "    return config.sha256, {",
        ("tests/operations/test_variables.py", "-k", "refused_with_its_name"),
    ),
    Mistake(
        "a stack that is given the state of another ends all that the other runs",
        "operations/checking/environment.py",
        "if one.code in (_CODE, _OTHER_STACK, _OTHER_STATE))",
        "if one.code in (_CODE, _OTHER_STATE))",
        ("tests/operations/test_other_stack.py", "-k", "nobody_looks"),
    ),
    Mistake(
        "a stack that is renamed, and has what it had, is refused as another",
        "operations/checking/environment.py",
        "    if not ends or not named or not covered.isdisjoint(named):\n",
        "    if not ends or not named:\n",
        ("tests/operations/test_other_stack.py", "-k", "goes_on"),
    ),
    Mistake(
        "what runs from before the prefix is placed a second time, and no plan says so",
        "operations/checking/environment.py",
        '_placed_by_another(seen, config, plan, "")',
        "_placed_by_another(seen, config, plan, config.name_prefix)",
        ("tests/operations/test_other_state.py", "-k", "before_the_prefix"),
    ),
    Mistake(
        "what runs under another name is bought again where the state is lost",
        "operations/checking/environment.py",
        "if one.code in (_CODE, _OTHER_STACK, _OTHER_STATE))",
        "if one.code == _CODE)",
        ("tests/operations/test_other_state.py", "-k", "under_another_name"),
    ),
    Mistake(
        "what runs is bought again once a state was begun, after it was lost",
        "operations/checking/environment.py",
        '    if plan.mode != "apply":\n        return []\n    placed',
        '    if plan.mode != "apply" or seen.recorded.bindings:\n        return []\n    placed',
        ("tests/operations/test_other_state.py", "-k", "begun_since"),
    ),
    Mistake(
        "what has ended is placed no more without a look, as another state runs one like it",
        "operations/checking/environment.py",
        ' == "bid" and address not in seen.state.bindings}',
        ' == "bid"}',
        ("tests/operations/test_other_state.py", "-k", "has_ended"),
    ),
    Mistake(
        "a bid that the state has at another address is another state's",
        "operations/checking/environment.py",
        "    known = state.released | {one.id for one in seen.state.bindings.values()}\n",
        "    known = state.released\n",
        ("tests/operations/test_other_state.py", "-k", "has_by_now"),
    ),
    Mistake(
        "a bid that moved since it was placed passes for another stack's",
        "operations/checking/environment.py",
        "        at = now.get(marker.address, marker.address)\n",
        "        at = marker.address\n",
        ("tests/operations/test_other_state.py", "-k", "under_another_name"),
    ),
    Mistake(
        "destroy one environment with the variables of another",
        "operations/checking/environment.py",
        "prefix = wishes.name_prefix if config is None",
        "prefix = None if config is None",
        ("tests/operations/test_environments.py", "-k", "a_destroy_with_the_variables"),
    ),
    Mistake(
        "let a policy file at the apply stand for that of the saved plan",
        "operations/checking/policies.py",
        "        found[name] = of_plan",
        "        found.setdefault(name.removesuffix(' (of the saved plan)'), of_plan)",
        ("tests/operations/test_policies.py", "-k", "another_file"),
    ),
    Mistake(
        "lose the rules at the end of a long policy file",
        "operations/checking/policies.py",
        "    if len(data) > _LIMIT:",
        "    if False:",
        ("tests/operations/test_policies.py", "-k", "long_policy"),
    ),
    Mistake(
        "take a policy file that is damaged for one without rules",
        "operations/checking/policies.py",
        "            problems += error.problems",
        "            pass",
        ("tests/operations/test_policies.py", "-k", "wrong"),
    ),
    Mistake(
        "say nothing of who was taken out and can still read the state",
        "operations/checking/recipients.py",
        "    return None if others is None else",
        "    return None if True else",
        ("tests/cli/test_encrypted.py", "-k", "taken_out"),
    ),
)
