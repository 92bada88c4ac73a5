"""How much one client, and all of them together, may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the server takes on.

    Attributes:
        texts: pairs of one request (413).
        body: bytes of one request (413).
        characters: of all pairs of one request; the question counts once for each passage (413).
        queue: pairs that wait or are computed, of all requests (429).
        requests: requests that are being answered at once (429).
        seconds: for a request to arrive (408), and from then on to be answered (429).
        batch_pairs: pairs computed at once; 0: what suits the device.
        batch_tokens: tokens computed at once, padding included.
    """

    texts: int = 1000
    body: int = 4_000_000
    characters: int = 4_000_000
    queue: int = 4096
    requests: int = 512
    seconds: float = 60.0
    batch_pairs: int = 0
    batch_tokens: int = 16_384
