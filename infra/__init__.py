"""State machines, schedules and the deployed stack; CDK and the local run read the same ones."""
