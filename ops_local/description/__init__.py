"""ops.toml on this machine: written from a database, read from its file, held against the rest."""
