"""What runs, when and how it is deployed: read by CDK and by the local run alike."""
