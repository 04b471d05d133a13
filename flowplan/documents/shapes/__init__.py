"""The shapes of all documents, as types: mypy checks those who make and read them, the JSON Schemas follow from them.

Annotations are evaluated here: as text, they would not tell which keys may be missing.
"""
