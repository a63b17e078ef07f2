"""litellm: whatever it reaches."""
