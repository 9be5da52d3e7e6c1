"""The deployed stack: each module adds its part to one CloudFormation stack."""
