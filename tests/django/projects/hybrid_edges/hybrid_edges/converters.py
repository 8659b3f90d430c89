class Even:
    """Takes even numbers only, and says so not in its expression."""

    regex = "[0-9]+"

    def to_python(self, value):
        if int(value) % 2:
            raise ValueError("odd")
        return int(value)

    def to_url(self, value):
        return str(value)
