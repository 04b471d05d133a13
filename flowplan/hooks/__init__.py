"""Commands of users: run with a limit on their time, and ended with all that they started."""
