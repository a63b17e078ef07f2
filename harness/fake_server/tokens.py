"""Counting: a token for every few bytes of text, and each provider's formula for images.

The count is exact where a real tokenizer is not: token i of a text part is its bytes from
`i * bytes_per_token` on, so that counts add up part by part, and that the prefix which two
prompts share has the same number of tokens in both.
"""


def text_tokens(text: bytes, bytes_per_token: int) -> int:
    """Counts the tokens of a text part, encoded as UTF-8; a last, partial one counts."""
    return -(-len(text) // bytes_per_token)


def patch_tokens(width: int, height: int, patch: int) -> int:
    """Counts a token for each patch of `patch` × `patch` pixels, partial ones included."""
    return -(-width // patch) * -(-height // patch)


def tile_tokens(width: int, height: int) -> int:
    """Counts Gemini's 258 tokens a tile: one tile up to 384 × 384 pixels, else 768-pixel tiles."""
    if max(width, height) <= 384:
        return 258
    return 258 * patch_tokens(width, height, 768)


def cut(text: str, tokens: int, bytes_per_token: int) -> str:
    """Returns the beginning of a text that has at most so many tokens."""
    return text.encode()[: tokens * bytes_per_token].decode(errors="ignore")
