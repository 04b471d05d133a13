"""Where the state lives. One file a backend; each has the methods of `local.LocalStore`."""
