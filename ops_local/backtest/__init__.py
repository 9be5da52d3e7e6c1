"""Many recorded days in one process: the rules of the live stages on books in memory."""
