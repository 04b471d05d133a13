"""Plan, problems and progress for people and machines. Reports decide nothing.

The plan goes through one document: plan_json makes it, every other form is made from it.
"""
