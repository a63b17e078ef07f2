"""Asking a model until it answers: how many requests at once, and what is told of trouble."""
