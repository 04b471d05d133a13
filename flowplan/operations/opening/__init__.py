"""What an operation is given, and what it opens: settings, a session, files, the state."""
