"""Images as they are sent: base64 that must decode to a picture of the kind it claims to be.

A picture that came before is known by the hash of its base64 text, and is not decoded again.
"""

import binascii
import hashlib
import io
from dataclasses import dataclass
from threading import Lock

from PIL import Image, UnidentifiedImageError

HASH_BYTES = 16

_KEPT = 65_536
"""How many pictures' sizes are remembered."""
_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


class ImageError(Exception):
    """What was sent as an image is none; the message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of an image."""

    digest: bytes
    """BLAKE2b of the base64 text, 16 bytes."""
    media_type: str
    width: int
    """In pixels."""
    height: int
    """In pixels."""


class Pictures:
    """Reads images, each once; may be called from several threads."""

    def __init__(self) -> None:
        self._known: dict[bytes, Picture] = {}
        self._lock = Lock()

    def read(self, base64: str) -> Picture:
        """Returns what an image is.

        Raises:
            ImageError: It is not base64, or not a whole PNG, JPEG, WebP or GIF.
        """
        encoded = base64.encode(errors="replace")
        digest = hashlib.blake2b(encoded, digest_size=HASH_BYTES).digest()
        with self._lock:
            known = self._known.get(digest)
        if known is not None:
            return known
        picture = _decode(encoded, digest)
        with self._lock:
            if len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            self._known[digest] = picture
        return picture


def _decode(encoded: bytes, digest: bytes) -> Picture:
    try:
        content = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error as error:
        raise ImageError("it is not valid base64") from error
    try:
        with Image.open(io.BytesIO(content), formats=tuple(_TYPES)) as image:
            image.load()
    except UnidentifiedImageError as error:
        raise ImageError("it is no PNG, JPEG, WebP or GIF") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError("it is damaged") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("it is too large") from error
    return Picture(digest, _TYPES[str(image.format)], *image.size)
