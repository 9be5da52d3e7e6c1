"""The deployed stack, by concern: each module adds its part to one CloudFormation stack."""
