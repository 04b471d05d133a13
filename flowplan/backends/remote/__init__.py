"""States that live on a server: what one must promise, and the store and the lock that are built on it."""
