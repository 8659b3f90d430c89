"""Which pictures may be uploaded, and under what name they are kept.

The type is taken from the first bytes of the file, because the sender chooses its name and the
declared type. SVG is left out because it can carry scripts.
"""

from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.files import File

MAX_SIZE = 2_000_000
HELP = "PNG, JPEG, GIF or WebP, at most 2 MB."

SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", 0, ".png"),
    (b"\xff\xd8\xff", 0, ".jpg"),
    (b"GIF87a", 0, ".gif"),
    (b"GIF89a", 0, ".gif"),
    (b"WEBP", 8, ".webp"),
)


def extension_of(file: File) -> str | None:
    """The extension for what the file holds, None where it is no picture."""
    file.seek(0)
    start = file.read(16)
    file.seek(0)
    for signature, offset, extension in SIGNATURES:
        if start[offset:].startswith(signature):
            return extension
    return None


def validate_picture(file: File) -> None:
    if file.size > MAX_SIZE:
        raise ValidationError(
            "The picture has %(size)d bytes; at most %(max)d are taken.",
            code="too_large",
            params={"size": file.size, "max": MAX_SIZE},
        )
    if extension_of(file) is None:
        raise ValidationError("This is no picture. " + HELP, code="not_a_picture")


def upload_path(question: object, filename: str) -> str:
    """Return a name that cannot be guessed or overwritten, with an extension for its contents."""
    extension = extension_of(question.picture.file)  # type: ignore[attr-defined]
    return f"pictures/{uuid4().hex}{extension or '.bin'}"
