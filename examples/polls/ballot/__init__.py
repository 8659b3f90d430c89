"""The application: questions, their choices, and one vote per person and question."""
