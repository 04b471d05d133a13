"""What an error of obstore tells: its text is all that there is of an answer that is no success."""

from __future__ import annotations

import re
from html import unescape

from flowplan.classes import frozen
from flowplan.cloud.http.endpoint import TRUSTING, trusting
from flowplan.patterns import regex
from flowplan.printable import shown

_STATUS = regex(r"Server returned non-2xx status code: (\d{3})")
_ASKED = regex(r"Error performing [A-Z]+ (\S+) in ")
_KIND = regex(r"\bkind: (Connect|Timeout|Interrupted|Request|Decode|Unknown)\b")
_LENGTH = 300  # characters of what is shown of an answer
_OF_AN_AUTHORITY = "its certificate says that it is that of an authority (CA:TRUE)"
_WHY = (
    ("dns error", "its name is not known (DNS)"),
    ("expiredcontext", "its certificate has expired"),
    ("notvalidyet", "its certificate is not yet valid"),
    ("notvalidforname", "its certificate is that of another host"),
    ("causedasendentity", _OF_AN_AUTHORITY),  # which the library takes from no server; others do
    ("certificate", "its certificate is not trusted (TLS)"),
    ("invalidcontenttype", "it does not speak TLS"),
    ("connectionrefused", "the connection is refused"),
    ("incompletemessage", "the answer breaks off"),
    ("contentlength", "its answer does not say how long it is"),
)
_AGAIN = "look whether the server and the network are up, and run the same command again"
_KINDS = {"Timeout": "no answer in time", "Interrupted": "the answer breaks off", "Connect": "no connection"}


@frozen
class Told:
    """`text` is all of an error; `said` what it says without the library's debug output."""

    text: str
    said: str

    @classmethod
    def of(cls, error: BaseException) -> Told:
        """What `error` tells."""
        text = str(error)
        return cls(text, text.partition("\n\nDebug source:")[0])

    @property
    def status(self) -> int | None:
        """The status of the answer; None: there was no answer."""
        found = _STATUS.search(self.said)
        return None if found is None else int(found[1])

    @property
    def asked(self) -> str | None:
        """The URL that was asked, of whatever server; None: none was."""
        found = _ASKED.search(self.said)
        return None if found is None else found[1]

    def element(self, name: str) -> str:
        """What the XML of the answer has in its first element `name`, cut for people; "": there is none."""
        found = re.search(f"<{name}>([^<]*)</{name}>", self.said)
        return "" if found is None else short(unescape(found[1]))

    @property
    def kind(self) -> str:
        """How the library calls a request without an answer; "": it does not say."""
        found = _KIND.search(self.text)
        return "" if found is None else found[1]

    def why(self, kind_of_server: str) -> str:
        """Why there is no answer, in words."""
        low = self.text.lower()
        found = next((why for word, why in _WHY if word in low), None)
        return found or _KINDS.get(self.kind, f"the answer is not one of {kind_of_server}")


def remedy_of(why: str) -> str:
    """What to do where there is no answer, for the reason `why` of `Told.why`."""
    if why == _OF_AN_AUTHORITY:
        return f"give the server a certificate with CA:FALSE, which may be signed by itself; and {TRUSTING}"
    known = TRUSTING if "certificate" in why else _AGAIN
    return trusting(why, otherwise=known)


def short(text: str) -> str:
    """`text` in one line, cut for people."""
    return shown(" ".join(text.split()), _LENGTH)
