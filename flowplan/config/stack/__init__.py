"""Stack files (version: 2) -> tasks and volumes, which are then read as a task file's are. Pure.

stack.py         what the documents of a stack say together
variables.py     what is declared, and the values that it is given
sensitive.py     where a sensitive value stays hidden
substitution.py  `${...}` in the values of a document
defaults.py      `defaults` under each task
names.py         which names are declared, also of what is faulty
instances.py     `for_each`: several of one task or volume
volumes.py       volumes that tasks share
outputs.py       what a stack reports
"""
