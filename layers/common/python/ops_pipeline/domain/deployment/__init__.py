"""What a deployment is set up with: accounts, their limits, and the file that describes it all."""
