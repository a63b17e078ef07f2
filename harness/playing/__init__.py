"""Playing: the episode loop, many episodes at once, what they may spend and what they leave."""
