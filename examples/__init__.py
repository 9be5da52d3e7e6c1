"""Small programs against the pipeline as it is installed; tests/examples runs each of them."""
