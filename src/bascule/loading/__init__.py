"""Finding the application that a TARGET names, and telling which interface it speaks."""
