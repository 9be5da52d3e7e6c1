"""Corporate actions of the paper exchange: what is announced, and what it does over night."""
