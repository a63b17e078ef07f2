"""What is known of models without asking them: limits, prices, tokens."""
