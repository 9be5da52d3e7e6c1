"""Writes the state machines of the manifest in Amazon States Language: `python -m infra.asl`.

AWS and the local run read the files in infra/statemachines. A test fails when they differ from
what this package writes.
"""
