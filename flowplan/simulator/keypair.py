"""An RSA key pair, for SSH keys whose owner sends none. For show: nothing in the simulator accepts a login.

It is drawn from the seed, as everything in the simulator is, and so no secret.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from itertools import count

BITS = 2048
_PUBLIC_EXPONENT = 65537
_SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def make_pair(comment: str, seed: str) -> tuple[str, str]:
    """(public key as one OpenSSH line, private key as PEM); the same from the same `seed`."""
    numbers_drawn = _draw(seed, BITS // 2)
    p, q = _prime(numbers_drawn, BITS // 2), _prime(numbers_drawn, BITS // 2)
    d = pow(_PUBLIC_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, _PUBLIC_EXPONENT, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    body = base64.encodebytes(_der(0x30, b"".join(_der(2, _signed(n)) for n in numbers))).decode()
    private = f"-----BEGIN {'RSA PRIVATE KEY'}-----\n{body}-----END {'RSA PRIVATE KEY'}-----\n"
    blob = b"".join(_counted(part) for part in (b"ssh-rsa", _signed(_PUBLIC_EXPONENT), _signed(p * q)))
    return f"ssh-rsa {base64.b64encode(blob).decode()} {comment}", private


def _draw(seed: str, bits: int) -> Iterator[int]:
    for number in count():
        yield int.from_bytes(hashlib.shake_256(f"{seed}:{number}".encode()).digest(bits // 8), "big")


def _prime(drawn: Iterator[int], bits: int) -> int:
    while True:
        number = next(drawn) | 3 << (bits - 2) | 1
        coprime = (number - 1) % _PUBLIC_EXPONENT and all(number % small for small in _SMALL_PRIMES)
        if coprime and all(_is_probably_prime(number, next(drawn) % (number - 3) + 2) for _ in range(8)):
            return number


def _is_probably_prime(number: int, base: int) -> bool:
    """One round of Miller and Rabin's test."""
    twos = ((number - 1) & (1 - number)).bit_length() - 1
    power = pow(base, (number - 1) >> twos, number)
    if power in (1, number - 1):
        return True
    return any((power := power * power % number) == number - 1 for _ in range(twos - 1))


def _signed(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _counted(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _der(tag: int, data: bytes) -> bytes:
    if len(data) < 128:
        return bytes((tag, len(data))) + data
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + data
