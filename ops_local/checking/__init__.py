"""`ops check`: what is tried, how each try is kept apart, and what is written of an order."""
