"""Task files of other tools: known by their shape, and what a stack file says of the same. Pure.

shapes.py    which tool a document is for
reading.py   what of a document is carried over, and why the rest is not
parts.py     what both tools have: names, limits, instance types, ports, variables of the environment
script.py    setup, command, environment and image -> one startup script
flow.py, skypilot.py   a document of that tool -> the parts of a task
convert.py   a file -> the stack
"""
