"""What exchanges publish of halts."""
