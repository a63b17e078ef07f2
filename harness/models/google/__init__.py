"""Google: Gemini, its REST interface and what it caches."""
