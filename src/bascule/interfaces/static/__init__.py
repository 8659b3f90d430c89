"""Serving files from directories: no application and no thread takes part."""
