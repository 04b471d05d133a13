"""The commands: what `--help` needs without importing any of them."""

from __future__ import annotations

# What one wants -> name -> (module, attribute, one line of help), in the order of `flowplan --help`
PURPOSES: dict[str, dict[str, tuple[str, str, str]]] = {
    "Get started": {
        "init": ("init", "init", "Write a first flowplan.yaml, with comments."),
        "doctor": ("doctor", "doctor", "Check credentials, project, state and the rest."),
        "convert": ("convert", "convert", "Turn a flow or SkyPilot task into a stack file."),
        "completion": ("completion", "completion", "Complete commands and addresses in bash, zsh or fish."),
        "explain": ("explain", "explain", "Say what a code or an exit code means, and what to do."),
        "simulator": ("simulator", "simulator", "Run the embedded Foundry Cloud Platform."),
    },
    "Write the configuration": {
        "validate": ("validate", "validate", "Check the configuration; no network."),
        "fmt": ("fmt", "fmt", "Rewrite the configuration files in the canonical layout."),
        "test": ("test", "test", "Run the cases beside a stack, in a simulated cloud."),
        "schema": ("schema", "schema", "Print the JSON Schema of task files and stack files."),
        "graph": ("graph", "graph", "Print the resource graph: SVG, Graphviz or Mermaid."),
    },
    "Change the cloud": {
        "plan": ("plan", "plan", "Show what would change, and what it would cost."),
        "apply": ("apply", "apply", "Carry out the changes, or a saved plan."),
        "watch": ("watch", "watch", "Keep what runs as it is written, round after round."),
        "destroy": ("destroy", "destroy", "Cancel and delete everything flowplan made."),
        "import": ("import_", "import_", "Take a live bid or volume into the state."),
    },
    "See what there is, and what it costs": {
        "status": ("status", "status", "Show live bids, instances, ssh, ports and prices."),
        "cost": ("cost", "cost", "Show what it will cost, and what was forecast and paid."),
        "market": ("market", "market", "Show prices now and ahead, and advice on a limit."),
        "output": ("output", "output", "Show the outputs of the stack."),
        "show": ("show", "show", "Show a saved plan, or the state."),
    },
    "Put it right": {
        "recover": ("recover", "recover", "Settle operations that an interrupted run left in doubt."),
        "orphans": ("orphans", "orphans", "List live resources of flowplan that no state here holds."),
        "state": ("state", "state", "Show, change or repair the state."),
        "lock": ("lock", "lock", "Show who holds the lock."),
        "force-unlock": ("lock", "force_unlock", "Break the lock of a dead run."),
    },
}
COMMANDS = {name: row for rows in PURPOSES.values() for name, row in rows.items()}
