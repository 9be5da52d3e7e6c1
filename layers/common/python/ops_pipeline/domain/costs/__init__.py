"""What a trade costs beside its price: fees by a dated table, the spread, and the impact."""
