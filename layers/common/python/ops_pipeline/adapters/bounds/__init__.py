"""How long, how large and how often requests over HTTP may be."""
