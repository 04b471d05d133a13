"""What to do about each code, and what each exit code means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CONTINUES = "Run the same command again; if it was a saved plan, make and apply a new one: it continues from there."
_IN_DOUBT = (
    "Run `flowplan recover`, or the same command again (if it was a saved plan, make and apply a new one): it looks "
    "before it creates anything."
)
_STATE = (
    "Run the command that the message names. If the state is damaged, `flowplan state restore` puts the last good "
    "version back. If it is lost, `flowplan recover --from-live` rebuilds it from the bids that are live."
)

# Every code of diagnostics.CODES -> what to do about it.
REMEDIES: Mapping[str, str] = MappingProxyType({
    # the text of a file
    "alias": "Write the value itself in place of `*name`, or define the anchor `&name` above it.",
    "character": "Delete the character; save a file in another encoding as UTF-8.",
    "duplicate-key": "Delete one of the two lines: their values would not be merged.",
    "encoding": "Save the file as UTF-8.",
    "expansion": "Use fewer nested aliases, or write the values out.",
    "key": "Put quotation marks around the key.",
    "nesting": "Remove brackets or levels that the file does not need.",
    "layout": "Write block lists and mappings with spaces, each key on a line of its own.",
    "syntax": "Correct the line that the message shows; flowplan reads YAML 1.2 in UTF-8.",
    "tab": "Replace the tab with spaces.",
    "tag": "Delete the tag: the kind of a value follows from its spelling.",
    "too-large": "Split the file: several files and documents can be one stack.",
    "too-many": "Correct those that are shown, and run `flowplan validate` again.",
    "yaml-version": "Delete the %YAML line.",
    "file-unreadable": "Check the name and the permissions of the file.",
    # whose file it is
    "foreign-file": "For a task of the flow SDK or SkyPilot run `flowplan convert FILE`; otherwise give another PATH.",
    "not-carried-over": "Look at what is listed, and add what you need to the stack file by hand.",
    # its keys and values
    "carriage-return": "Save the script with Unix line ends, without the carriage return.",
    "cloud-init": "Write a shell script: begin it with `#!/bin/bash`.",
    "comment": "Write `startup_script: |` and put the script into the lines below, the #! line too.",
    "conflict": "Keep one of the two settings.",
    "credential": "Remove it from the file, and set FLOWPLAN_API_KEY or FLOWPLAN_API_KEY_FILE instead.",
    "crlf": "Nothing has to be done; to be rid of the warning, save the script with Unix line ends.",
    "duplicate": "Delete one of the two, or give it another name.",
    "duplicate-address": "Give one of the two another name.",
    "empty": "Give the key a value, or delete it.",
    "file": "Check the path: it starts from the directory of the task file.",
    "folded": "Write `|` instead of `>`, so that the lines of the script stay apart.",
    "ignored": "Delete the setting, or change what makes it useless; the message says what that is.",
    "lifetime-prevented": "Remove what protects the task, or its lifetime.",
    "missing": "Add the key; `flowplan schema` lists what a file may hold.",
    "mount-point": "Choose an absolute path that the system does not use, such as /mnt/data.",
    "not-replaced": "Write the value, or give each instance its own script: `startup_script_file: run-${each.key}.sh`.",
    "port": "Write a port from 1 to 65535, a range such as 8000-8010, or a pair such as 8080:8000.",
    "port-conflict": "Move the program or the forwarder to another port.",
    "port-overlap": "Publish each external port once.",
    "shebang": "Delete the space before `#!`.",
    "token": "Remove it from the file and from the file's history, and replace the credential.",
    "type": "Write a value of the kind that the message names.",
    "unknown-key": "Correct the spelling or delete the key; `flowplan schema` lists what a file may hold.",
    "value": "Write one of the values that the message lists.",
    "depends-on": "Name a task that exists, and take one wait out of the circle.",
    "for-each": "Give each instance a key of its own.",
    "reference": "Correct the name in `${...}`; for plain text write `$${...}`.",
    "sensitive": "Use the value only where it is neither stored nor shown, or mark what shows it as sensitive.",
    "trigger": "Name a resource of this stack.",
    "variable-missing": "Give it with --var NAME=VALUE, --var-file, FLOWPLAN_VAR_NAME, or a default.",
    "variable-type": "Give a value of the type that the variable declares.",
    "variable-unknown": "Correct the name, or declare the variable in the stack file.",
    "import-refused": "Correct the id or the address of the import block, or remove the block.",
    "moved-taken": "Remove the moved block, or give up one of the two resources first.",
    "moved-unknown": "Give the file that has the new address, too; to give the resource up, write a removed block.",
    "version": "Write a version that this flowplan reads, or install a newer flowplan.",
    # the startup script
    "script-too-long": "Move parts of the script onto a volume or into the image, or let the instance download them.",
    "unsafe-value": "Write a value without quotes, control characters and line breaks.",
    # names that only the cloud knows
    "key-missing": "Name one: ssh_keys in the file, --ssh-key, or FOUNDRY_SSH_KEY_NAME.",
    "key-unknown": "Correct the name, or give the id; the message lists the keys of the project.",
    "name-taken": "Choose another name, attach the volume, or take it over with `flowplan import`.",
    "no-auction": "Choose another type or region: `flowplan market` lists every auction.",
    "project-conflict": "Use a separate directory for each project.",
    "project-missing": "Name one: project_name in the file, --project, or FOUNDRY_PROJECT_NAME.",
    "project-unknown": "Correct the name, or give the id; the message lists the projects that your key sees.",
    "region-conflict": "Put the bid where its volumes are, or use volumes of one region.",
    "region-unknown": "Correct the name: `flowplan market` lists the regions.",
    "type-ambiguous": "Write the full name of the type, as the message lists it.",
    "type-unknown": "Correct the name: `flowplan market` lists what is offered.",
    "volume-ambiguous": "Attach the volume by its id.",
    "volume-shared": "Use a File volume, or a Block volume for each instance.",
    "volume-unknown": "Correct the name, or let the task create the volume.",
    "volume-unusable": "Choose another volume; the message says why this one cannot be used.",
    # what the API would refuse
    "key-required": "Add the key to ssh_keys.",
    "limit-too-low": "Raise the limit to the minimum that the message names.",
    "minimum-unknown": "Run the same command again later, when the price can be fetched.",
    "lifetime-over": "`flowplan apply` cancels what nothing protects; to place the task again, give it a later end_at.",
    "quota": "Ask for less, end something that counts against the quota, or have the quota raised.",
    "too-many-instances": "Ask for fewer instances, or choose another type or region.",
    # guards
    "max-cost-increase": "Lower what the plan costs, or raise the limit if you agree to the cost.",
    "max-hourly-cost": "Lower what the plan costs, or raise the limit if you agree to the cost.",
    "prevent-destroy": "To allow it, set prevent_destroy: false in a file that names it; no option lifts it.",
    "import-replaces": "First apply a file that matches what is live, then change it; or remove the import block.",
    "mass-change": "Look at the plan; if you want all of it, give --max-changes a higher number.",
    "policy": "Change what the rule refuses, or have the rule changed: the message has its place and figures.",
    "policy-unused": "Write the type as `flowplan market` lists it, the address as a plan does, or take the rule out.",
    "volume-data": "To let the data be destroyed, give --allow-volume-destroy NAME; to keep them, --keep-volumes.",
    "volume-in-use": "End what uses the volume first, or end both together; `destroy --target bid.NAME` leaves it.",
    # what else refuses
    "errored": "Correct what was refused, and run `flowplan plan --out FILE` again.",
    "invalid-plan": "Run `flowplan plan --out FILE` again, and do not edit the file.",
    "not-ours": "Give the --state that it belongs to; or release it there, and import it here with --lineage.",
    "other-endpoint": "Give the --api-url that the message names, or another --state.",
    "other-environment": "Give the variables of this state; if that is meant, apply a saved plan.",
    "other-stack": "Give each stack a state of its own; if this state is meant, apply a saved plan.",
    "other-state": "Give the --state that has the bids; if they are another stack's, give this one a name of its own.",
    "without-prefix": "If they are this stack's, give the --state that has them; others stay as they are.",
    "other-plan": "Run `flowplan plan --out FILE` again, with the API, project and state that you mean.",
    "would-forget": "Restore or push a newer version; with --force the resources are forgotten and still cost money.",
    "other-project": "Give the --project that the message names, or another --state.",
    "stale-plan": "Run `flowplan plan --out FILE` again, and look at what is different now.",
    "tampered-plan": "Run `flowplan plan --out FILE` again with the right FLOWPLAN_PLAN_KEY, and ask who changed it.",
    "unchecked-plan": "Set FLOWPLAN_PLAN_KEY where you apply, too, or give --expect with the digest that was approved.",
    "unexpected-plan": "Apply the file that was approved; --expect takes the sha256 that its plan showed.",
    "unsigned-plan": "Run `flowplan plan --out FILE` again with FLOWPLAN_PLAN_KEY set.",
    # prices and limits
    "all-or-nothing-too-large": "Split it into tasks of fewer instances, or choose another type or region.",
    "below-reserve": "Raise the limit at least to the reserve, or choose another type or region.",
    "cannot-win-now": "Raise the limit to the amount that the message names, or let the bid wait: it costs nothing.",
    "limit-far-above-need": "Nothing has to be done: you are charged the price, not your limit.",
    "not-fetched": "Run the same command again later; until then a cost that needs the price is unknown.",
    "price-ambiguous": "Count on the higher of the two prices.",
    "self-competition": "One task with more instances (num_instances) does not bid against itself.",
    "stale-market": "Run `flowplan plan` again before you rely on the cost.",
    "thin-history": "Take the forecast as a rough one; `worst` is certain.",
    "tie": "Raise the limit a little above the lowest winning one.",
    "volatile": "A lower limit caps what it can cost; --max-hourly-cost refuses a plan above your budget.",
    # what else a plan says
    "done": "Nothing has to be done; to run it again, give --replace ADDRESS, and a later end_at if that has passed.",
    "other-lifetime": "To give the instances the new lifetime, replace the bid with --replace ADDRESS.",
    "lifetime-unknown": "Plan again in a while, give the task an end_at, or set the clock that is wrong; "
    "`flowplan destroy --target` stops it.",
    "lifetime-short": "Lengthen the lifetime, or correct nearest_estimated_duration.",
    "lifetime-again": "If the bounds are for the whole task, lower them by what it has used up so far.",
    "no-lifetime": "Give the other tasks a lifetime, too: {max_hours: 12}.",
    "interrupts": "Apply it when the work can be interrupted; it is lost unless it is on a volume.",
    "ports-dropped": "Keep the ports, or leave the bid as it is with `lifecycle: {ignore_changes: [ports]}`.",
    "file-gone": "`flowplan destroy FILE` ends it; if the file was renamed, give its new name, or mend it.",
    "in-doubt": "Nothing has to be done: the next apply, destroy or `flowplan recover` looks them up first.",
    "left-alone": "Nothing has to be done; to plan them too, give their files or `.`.",
    "moved": "Nothing has to be done.",
    "not-refreshed": "Run `flowplan plan` without --no-refresh.",
    "partial": "Run `flowplan plan` without --target and --exclude to see the rest.",
    "dependents": "Do not exclude the resource that the warning names after the colon if you want these changes, too.",
    "renamed": "To keep it, write `moved: [{from: OLD, to: NEW}]` in a stack file, or run `flowplan state mv`.",
    "named-beside": "Give all files of the stack, or their directory.",
    "uncompared": "Replace the bid with --replace ADDRESS, or name the fields in `lifecycle: {ignore_changes: [...]}`.",
    "script-dropped": "Put the script into the files first: `flowplan import ADDRESS ID --generate FILE` writes it.",
    "namesake": "Nothing has to be done; flowplan leaves it alone.",
    "preempting": "Nothing has to be done: the bid waits, and runs again when its limit wins.",
    "other-recipients": "Name in FLOWPLAN_AGE_RECIPIENTS who can read the state, or run `flowplan state rekey`.",
    "other-marker": "Release it with `flowplan state rm` in one of the two stacks.",
    "twins": "Cancel the one that you do not want with `flowplan recover --cancel ID`.",
    "unchecked": "Nothing has to be done: the API checks it when the plan is applied.",
    "unknown-status": "Install a newer flowplan; until then the bid counts as live.",
    "raised-limit": "To go back, take `raise_limit_up_to` out of `watch`, or change the limit price, and apply.",
    "released": "If you do not want it, cancel or delete it yourself; `flowplan import` takes it back.",
    "unnamed": "Give the file that names it, or end it with `flowplan recover --cancel ID`.",
    # what ends a command
    "failed": "Correct the cause that the message names, and run the same command again: it looks before it changes.",
    "internal": "Report the lines above the message; the same command again checks first what was done.",
    "interrupted": _CONTINUES,
    "locked": "Wait for the other run, or give --lock-timeout 5m; `flowplan lock show` says who it is.",
    "not-approved": "Type yes at the prompt, or give --auto-approve where nobody is there to answer.",
    "outcome-unknown": _IN_DOUBT,
    "state": _STATE,
    "usage": "Correct the command line; `flowplan COMMAND --help` lists the options.",
    # what an apply says
    "progress": "Nothing has to be done.",
    "step-failed": "Correct the cause that the message names, and run the same command again; after a saved plan, plan "
    "again and apply that.",
})  # fmt: skip

# exit code -> what it means, and what to do
EXIT_CODES: Mapping[int, tuple[str, str]] = MappingProxyType({
    0: ("Done; with `plan --detailed-exitcode`: no changes.", "Nothing has to be done."),
    1: (
        "Failed, or an apply without approval; `fmt --check` found differences; a case of `test` failed; not all of "
        "stdout could be written; a bid would wait (`market --exit-code`).",
        "Read the last error on stderr, correct its cause, and run the same command again; after a saved plan that was "
        "begun, plan again and apply that.",
    ),
    2: (
        "Something is not as it is written: `plan --detailed-exitcode` would change it, or `watch --once` found it so; "
        "or a bid can never win (`market --exit-code`).",
        "Look at the plan, and apply it; of `watch --once`, read what it told.",
    ),
    3: (
        "Refused by a guard: budget, policy, mass change, prevent_destroy, volume data, a plan that does not fit, "
        "another project or endpoint; or all is done, and what is protected keeps running past its lifetime.",
        "The message names what refuses it, and what lets it through. A plan is refused before anything is changed. A "
        "run that waited (`depends_on`), or that left running what is protected past its lifetime, says what it did.",
    ),
    4: (
        "Locked by somebody else.",
        "Wait for the other run, or give --lock-timeout 5m; `flowplan lock show` says who it is.",
    ),
    5: (
        "The state is unreadable, went back, or could not be made durable.",
        _STATE,
    ),
    6: (
        "The outcome of a create is unknown; its intent is kept.",
        _IN_DOUBT,
    ),
    64: ("Wrong usage.", "Correct the command line; `flowplan COMMAND --help` lists the options."),
    65: (
        "Problems in the configuration, including those that only the cloud can show.",
        "Correct each place that the message names. Nothing was changed, but an apply still cancels what is past its "
        "lifetime, and says so.",
    ),
    130: ("Stopped by Ctrl-C; the state is saved.", _CONTINUES),
    143: ("Stopped by SIGTERM; the state is saved.", _CONTINUES),
})  # fmt: skip
