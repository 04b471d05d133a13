"""What becomes a plan that can be shown: what is asked for, what it costs, and what speaks against it."""
