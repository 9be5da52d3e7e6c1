"""The pipeline: decisions in `domain`, use cases in `stages`, edges in `db` and `adapters`."""
