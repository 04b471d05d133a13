"""What is live, and whose: everything that a plan is made from."""
