"""What keyfold wants to reach, as ratios within one run. A target names a group, our series in it, and a limit."""

from statistics import median
from typing import Any, NamedTuple


class Target(NamedTuple):
    group: str
    ours: str
    # "at_least" times faster than the peer, "at_most" so many times its time, or "below" a value in the group's unit.
    kind: str
    limit: float
    peer: str = ""

    def judge(self, group: dict[str, Any]) -> tuple[str, bool] | None:
        """What is asked, what was found, and whether it is met; None where the peer was not measured."""
        rounds = {one["name"]: one["rounds"] for one in group["series"]}
        ours = rounds.get(self.ours)
        if ours is None:
            return None
        if self.kind == "below":
            return f"≤ {quantity(self.limit, group['unit'])}", median(ours) <= self.limit
        if (peer := rounds.get(self.peer)) is None:
            return None
        if self.kind == "at_least":
            found = ratio(ours, peer)
            return f"≥ {self.limit:g} × faster than {self.peer}: {found:.2f}", found >= self.limit
        found = ratio(peer, ours)
        return f"≤ {self.limit:g} × {self.peer}: {found:.2f}", found <= self.limit


def ratio(ours: list[float], peer: list[float]) -> float:
    """How many times as long the peer takes: the median of the rounds' ratios, where they ran in turns."""
    if len(ours) == len(peer):
        return median(b / a for a, b in zip(ours, peer, strict=True))
    return median(peer) / median(ours)


def quantity(value: float, unit: str) -> str:
    """A time or a size, in a unit that suits it."""
    if unit == "B":
        steps = (("MB", 1e6), ("kB", 1e3), ("B", 1))
    else:
        steps = (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1))
    name, size = next(step for step in steps if abs(value) >= step[1] or step[1] == 1)
    digits = 0 if value / size >= 100 or size == 1 else 1 if value / size >= 10 else 2
    return f"{value / size:.{digits}f} {name}"


SIV, GCM, XAES = (f"keyfold {name}" for name in ("AES256_GCM_SIV", "AES256_GCM", "XAES256_GCM"))
AESGCM = "cryptography AESGCM"
NODE_GCM = "node:crypto AES-256-GCM"
BOX, XCHACHA = "sodium-native secretbox", "sodium-native XChaCha20-Poly1305"
INTO = ", caller's buffer"
PURPOSE, ROOTS = "keyfold, keys of one purpose", "keyfold, each key with an index root"
BARE_FILE = "the bare AEAD: aws-lc-rs reading, sealing, writing"

TARGETS = {
    "rust": [
        Target("encrypt/AES256_GCM_SIV/32", SIV, "at_most", 1.3, "aws-lc-rs"),
        Target("decrypt/AES256_GCM_SIV/32", SIV, "at_most", 1.3, "aws-lc-rs"),
        Target("threads", "keyfold, two threads", "at_least", 1.7, "keyfold, one thread"),
        Target("open/10", "keyfold", "at_most", 4, "SQLite, open and read"),
        Target("open/100000", "keyfold", "below", 5e6),
        Target("first_use", "keyfold", "below", 100e3),
        Target("first_use", "keyfold, just after opening", "below", 100e3),
        Target("rotate_key", "keyfold", "at_most", 1.5, "SQLite, one row in a durable commit"),
        *(Target("rotate_master_key/10000", name, "below", 100e6) for name in (PURPOSE, ROOTS)),
        *(Target("rotate_master_key/100000", name, "below", 1e9) for name in (PURPOSE, ROOTS)),
        Target("growth/keys", "keyfold, 100,000 keys", "at_most", 1.1, "keyfold, 1 key"),
        Target("growth/names", "keyfold, 100,000 keys", "at_most", 1.1, "keyfold, 1 key"),
        Target("growth/versions", "keyfold, 1,000 versions", "at_most", 1.1, "keyfold, 1 version"),
    ],
    "python": [
        Target("encrypt/32", "keyfold", "at_least", 5, "asherah"),
        Target("encrypt/32", "keyfold", "at_least", 5, AESGCM),
        Target("decrypt/32", "keyfold", "at_least", 4.5, "asherah"),
        Target("decrypt/32", "keyfold", "at_least", 3, AESGCM),
        Target("encrypt_text", "keyfold", "at_least", 10, "cryptography Fernet"),
        Target("decrypt_text", "keyfold", "at_least", 10, "cryptography Fernet"),
        Target("encrypt_many", "keyfold encrypt_many", "below", 150),
        Target("blind_index", "keyfold", "at_least", 4, "hmac.digest"),
        *(
            Target(f"{step}/1MiB", name, "at_most", 1, AESGCM)
            for step in ("encrypt", "decrypt")
            for name in (GCM, XAES)
        ),
        Target("threads", "keyfold, 2 threads", "at_least", 1.7, "keyfold, 1 thread"),
    ],
    "node": [
        *(Target("encrypt_into", "keyfold encryptInto", "at_least", 3.5, peer) for peer in (BOX, XCHACHA)),
        *(Target("decrypt_into", "keyfold decryptInto", "at_least", 2.5, peer) for peer in (BOX, XCHACHA)),
        *(Target("encrypt/32", "keyfold encrypt", "at_least", 2.4, peer + INTO) for peer in (BOX, XCHACHA)),
        Target("encrypt/32", "keyfold encrypt", "at_least", 10, NODE_GCM),
        Target("decrypt/32", "keyfold decrypt", "at_least", 2.5, NODE_GCM),
        *(
            target
            for step in ("encrypt", "decrypt")
            for target in (
                Target(f"{step}_text", f"keyfold {step}Text", "below", 500),
                Target(f"{step}_text", f"keyfold {step}Text", "at_least", 10, "cloak"),
                Target(f"{step}_many", f"keyfold {step}ManyText", "below", 300),
            )
        ),
        *(
            Target(f"{step}/1MiB", name, "at_most", 1, NODE_GCM)
            for step in ("encrypt", "decrypt")
            for name in (GCM, XAES)
        ),
        Target("threads", "keyfold, 2 workers", "at_least", 1.7, "keyfold, 1 worker"),
    ],
    "files": [
        *(
            target
            for group in ("file/encrypt", "file/decrypt", "nowhere/encrypt", "nowhere/decrypt")
            for target in (
                Target(group, "keyfold", "at_least", 3, "age"),
                Target(group, "keyfold", "at_least", 3, "rage"),
                Target(group, "keyfold", "at_least", 0.8, BARE_FILE),
            )
        ),
        Target("file/memory", "keyfold", "below", 8 * 2**20),
    ],
    "weight": [
        Target("size", "keyfold, wheel", "below", 3.5e6),
        Target("size", "keyfold, .node", "below", 3.5e6),
        Target("python/load", "keyfold", "below", 8e6),
        Target("node/load", "keyfold", "below", 6e6),
        Target("python/memory", "keyfold", "below", 6e6),
        Target("node/memory", "keyfold", "below", 6e6),
    ],
}
