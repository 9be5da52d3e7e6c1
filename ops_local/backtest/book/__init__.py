"""The ledger in memory: what the statements of `ops_pipeline.db` answer, without Postgres."""
