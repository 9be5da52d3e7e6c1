"""What the stages of news share."""
