"""Writes the skeleton of a new stage: `python -m infra.new_stage NAME`, by `make new-stage`."""
