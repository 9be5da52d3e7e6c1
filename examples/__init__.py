"""Small programs against the pipeline as it is installed; tests/replay runs each of them."""
