"""What the layers are made of: its list, its licences, and what is known against it."""
