"""`ops up` against a broker: schedules on the wall clock, supervised workers, start checks."""
