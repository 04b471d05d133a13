"""Names of files as a repository has them: what shows a file beside its lines knows no working directory."""

from __future__ import annotations

import posixpath

from flowplan.classes import frozen


@frozen
class Checkout:
    """`directory`: what a relative name starts from, absolute; `root`: the top of the repository it is in, or None."""

    directory: str = "/"
    root: str | None = None

    def name(self, file: str) -> str:
        """`file` as it is called from the top of the repository; as it is where it is in none."""
        if self.root is None:
            return file
        inside = posixpath.relpath(posixpath.join(self.directory, file), self.root)
        return file if inside == ".." or inside.startswith("../") else inside
