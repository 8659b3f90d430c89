"""Finding a Django project, reading what its settings say, and importing both of its sides."""
