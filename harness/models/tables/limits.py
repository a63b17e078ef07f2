"""What a model takes in one request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What fits into one request; None where no limit is known."""

    context_tokens: int | None = None
    """Of the prompt."""
    output_tokens: int | None = None
    images: int | None = None
    """How many; 0 for a model that sees none."""
    image_pixels: int | None = None
    """The longest side of an image, in pixels."""
    many_images: int | None = None
    """Above so many images, `many_image_pixels` is the longest side."""
    many_image_pixels: int | None = None
    request_bytes: int | None = None
    """Of the whole request, images in base64."""
