"""Every key of a stack file: what it is for, what it takes, and what people write instead. Pure."""

from __future__ import annotations

from flowplan.config.keys.hooks import HOOKS
from flowplan.config.keys.kinds import (
    ANY,
    FLAG,
    MAPPING,
    TEXT,
    Either,
    Key,
    Keys,
    ListOf,
    Named,
    Value,
    Within,
    one_of,
)
from flowplan.config.keys.policies import POLICIES
from flowplan.config.keys.task import CREATE, LIFECYCLE, TASK
from flowplan.config.keys.watch import WATCH
from flowplan.model.lifecycle import UNTIL

RESOURCE_NAME = r"^([A-Za-z0-9][A-Za-z0-9_-]{0,62}|x-.*)$"
OUTPUT_VALUE = Value({"type": ["string", "number", "boolean"]})
STATE = Value({"type": "string", "minLength": 1, "not": {"pattern": r"\$\{"}})
NOTHING = Value({"type": "null"})  # a section that holds nothing
VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
_FOR_EACH = Key(
    Either((ListOf(ANY, least=0, empty=True), MAPPING)),
    "Makes one for each item of a list or each key of a mapping: ${each.key}, ${each.value}.",
)

AFTER = Keys(
    {
        "task": Key(TEXT, "The task to wait for; with for_each, every instance of it, or one: sweep[a]."),
        "until": Key(one_of(*UNTIL), "How far that task must be.", "placed"),
    },
    "depends_on: [{task: preprocess, until: terminated}]",
    required=("task",),
)

# Of a task in a stack: what a task file has, but for its format and its limits, and what makes several of one.
STACK_TASK = Keys(
    {
        **{name: key for name, key in TASK.fields.items() if name not in ("version", "guards")},
        "for_each": _FOR_EACH,
        "depends_on": Key(
            ListOf(Either((TEXT, Within(AFTER))), one=True),
            "The tasks that must be placed, or further, before this one.",
        ),
    },
    TASK.example,
    {
        **TASK.instead,
        "budget": "write lifetime: {max_cost: 200}, dollars in all; guards: {max_hourly_cost: 60} at the top of the "
        "stack limits an hour",
        "max_hourly_cost": "write guards: {max_hourly_cost: 60} at the top of the stack",
        "volumes": "write persistent_storage: {attach: {volume: NAME, mount_point: /mnt/NAME}}; the volumes themselves "
        "belong at the top of the stack",
    },
)
STACK_VOLUME = Keys(
    {
        **{one: CREATE.fields[one] for one in CREATE.known if one not in ("mount_point", "mount_dir")},
        "lifecycle": Key(Within(LIFECYCLE, empty=True), "Which changes flowplan makes to the volume, and how."),
        "for_each": _FOR_EACH,
    },
    "volumes: {data: {size: 100, disk_interface: File}}",
    {
        **CREATE.instead,
        "mount_point": "it belongs where a task attaches the volume",
        "mount_dir": "it belongs where a task attaches the volume, as mount_point",
        "attach": "leave the entry out, and write persistent_storage: {attach: {volume_name: NAME}} in the task",
    },
    required=("size",),
)

VARIABLE = Keys(
    {
        "type": Key(one_of("string", "int", "number", "bool", "list", "map"), "The type of its values.", "string"),
        "default": Key(ANY, "The value if none is given."),
        "description": Key(TEXT, "What it is for."),
        "sensitive": Key(FLAG, "Whether its value is masked everywhere, and stored nowhere.", False),
    },
    "variables: {checkpoint_gb: {type: int, default: 500}}",
    {"value": "write default; a value is given with --var, --var-file or FLOWPLAN_VAR_NAME"},
)

OUTPUT = Keys(
    {
        "value": Key(OUTPUT_VALUE, "The value, such as ${task.train.ssh}."),
        "description": Key(TEXT, "What it is for."),
        "sensitive": Key(FLAG, "Whether it is masked everywhere, and stored nowhere.", False),
    },
    "outputs: {ssh: {value: '${task.train.ssh}', description: How to log in}}",
    required=("value",),
)

MOVED = Keys(
    {
        "from": Key(TEXT, "The address it had, such as task.old."),
        "to": Key(TEXT, "The address it has."),
    },
    "moved: [{from: task.old, to: task.train}]",
    required=("from", "to"),
)

REMOVED = Keys(
    {
        "address": Key(TEXT, "The address it had, such as volume.scratch."),
        "destroy": Key(FLAG, "Whether it is destroyed; false: flowplan forgets it and leaves it.", True),
    },
    "removed: [{address: volume.scratch, destroy: false}]",
    {"from": "write address", "lifecycle": "write destroy: false beside address"},
    required=("address",),
)

IMPORT = Keys(
    {
        "address": Key(TEXT, "The address of a resource of this stack, such as volume.data."),
        "id": Key(TEXT, "The id of the live object: bid_... or vol_..."),
    },
    "import: [{address: volume.data, id: vol_123}]",
    required=("address", "id"),
)

INCLUDING = ("include", "includes", "extends", "modules")  # what other tools have, to bring a second file in

STACK_FILE = Keys(
    {
        "version": Key(one_of(2, "2"), "The format: 2 is a stack file."),
        "name": Key(TEXT, "The name of the stack. Default: that of the directory, at the first apply."),
        "name_prefix": Key(TEXT, "Prefix of every name in the cloud, so that one file serves several environments."),
        "state": Key(
            STATE, "Where the state is: a file, from the directory of this one, or a URL. It cannot hold ${...}."
        ),
        "project_name": TASK.fields["project_name"],
        "ssh_key_name": TASK.fields["ssh_key_name"],
        "variables": Key(
            Either((Named(VARIABLE_NAME, Within(VARIABLE), bare=True), NOTHING)),
            "Values that are given from outside: ${var.NAME}.",
        ),
        "defaults": Key(Within(STACK_TASK, empty=True), "What every task has, unless it says otherwise."),
        "volumes": Key(
            Either((Named(RESOURCE_NAME, Within(STACK_VOLUME), bare=True), NOTHING)),
            "Volumes that the tasks share, by name.",
        ),
        "tasks": Key(Either((Named(RESOURCE_NAME, Within(STACK_TASK), bare=True), NOTHING)), "The tasks, by name."),
        "outputs": Key(
            Either((Named(VARIABLE_NAME, Either((OUTPUT_VALUE, Within(OUTPUT)))), NOTHING)),
            "Values that the stack reports, by name.",
        ),
        "guards": TASK.fields["guards"],
        "policies": Key(Within(POLICIES), "Rules that every plan is held to."),
        "hooks": Key(Within(HOOKS), "Commands that run after a plan or an apply."),
        "watch": Key(Within(WATCH), "What `flowplan watch` may do without asking anybody."),
        "moved": Key(ListOf(Within(MOVED), one=True, empty=True), "Resources whose address has changed."),
        "removed": Key(ListOf(Within(REMOVED), one=True, empty=True), "Resources that are no longer configured."),
        "import": Key(ListOf(Within(IMPORT), one=True, empty=True), "Live objects that become resources."),
    },
    "tasks: {train: {resources_specification: {fcp_instance: h100.8x.SXM5.IB}}}",
    {
        "project": "write project_name",
        "ssh_key": "write ssh_key_name",
        "ssh_keys": "write ssh_key_name: it takes a list",
        "vars": "write variables",
        "task": "write tasks: {NAME: {...}}",
        "jobs": "write tasks: {NAME: {...}}",
        "bids": "write tasks: {NAME: {...}}",
        "volume": "write volumes: {NAME: {...}}",
        "locals": "write variables, with a default",
        "imports": "write import",
        "backend": "write state",
        "state_file": "write state",
        "policy": "write policies",
        **dict.fromkeys(
            ("budget", "budgets"),
            "write guards: {max_hourly_cost: 60}, dollars per hour; lifetime: {max_cost: 200} in a task is dollars "
            "in all",
        ),
        "max_hourly_cost": "write guards: {max_hourly_cost: 60}",
        **dict.fromkeys(INCLUDING, "name the files together: flowplan plan a.yaml b.yaml, or . for all of a directory"),
    },
    required=("version",),
)

# Keys of a stack file, which a task file has no use for.
STACK = frozenset([*STACK_FILE.known, *STACK_TASK.known]) - frozenset(TASK.known)
