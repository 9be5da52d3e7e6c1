"""Orders: what is asked for, checked, matched, settled and ended."""
