"""The rows that set a deployment up, as the operator's verbs change them."""
