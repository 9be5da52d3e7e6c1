"""Tables of what trades cost: fees of orders and fees as the broker charged them."""
