"""Writes the state machines of the manifest in Amazon States Language: `python -m infra.asl`.

The files in infra/statemachines are what AWS and the local run read, and what a reader looks
at; a test fails when they are not what this package writes.
"""
