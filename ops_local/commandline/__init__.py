"""What all verbs of `ops` share: the table, the parser, the target, output and exit codes."""
