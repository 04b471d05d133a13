"""The FCP v2 client, and the embedded simulator that serves the same API."""
