"""Fields of what is answered without the application, in plain text."""

TEXT = (b"content-type", b"text/plain; charset=utf-8")
PLAIN_TEXT = [TEXT]
TRY_AGAIN = [TEXT, (b"retry-after", b"1")]
