"""What an apply does before and after its steps: settle, ask, look again, end lifetimes, run hooks."""
