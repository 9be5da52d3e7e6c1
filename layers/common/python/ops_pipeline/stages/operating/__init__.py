"""What an operator's verbs set up, each one audited in operator_actions."""
