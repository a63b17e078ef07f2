"""Chat: providers that take a prompt as messages in JSON and answer in JSON."""
