"""The peers in Python, each as its own documentation sets it up, and as fast as it lets itself be used."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from measure import Report

KEY = bytes(range(32))


class Peer(NamedTuple):
    """Statements that encrypt `message` and decrypt `sealed`, with the names that they use."""

    name: str
    encrypt: str
    decrypt: str
    names: dict[str, Any]


def aes_gcm(kind: str) -> Peer:
    """The nonce comes from os.urandom, as the documentation says, and is kept apart: nothing is put together."""
    from cryptography.hazmat.primitives.ciphers import aead

    names = {"aead": getattr(aead, kind)(KEY), "urandom": os.urandom, "nonce": os.urandom(12)}
    return Peer(
        f"cryptography {kind}",
        "n = urandom(12); aead.encrypt(n, message, None)",
        "aead.decrypt(nonce, sealed, None)",
        names | {"seal": lambda message: names["aead"].encrypt(names["nonce"], message, None)},
    )


def fernet() -> Peer:
    from cryptography.fernet import Fernet

    fernet = Fernet(Fernet.generate_key())
    names = {"fernet": fernet, "seal": fernet.encrypt}
    return Peer("cryptography Fernet", "fernet.encrypt(message)", "fernet.decrypt(sealed)", names)


def tink() -> Peer:
    import tink
    from tink import aead

    aead.register()
    handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
    primitive = handle.primitive(aead.Aead)
    names = {"primitive": primitive, "seal": lambda message: primitive.encrypt(message, b"")}
    return Peer("tink AES256_GCM", 'primitive.encrypt(message, b"")', 'primitive.decrypt(sealed, b"")', names)


def pynacl() -> Peer:
    from nacl.secret import SecretBox

    box = SecretBox(KEY)
    return Peer("pynacl SecretBox", "box.encrypt(message)", "box.decrypt(sealed)", {"box": box, "seal": box.encrypt})


def asherah() -> Peer:
    """The session is held open: keys are cached for as long as it lasts."""
    import asherah

    config = {"ServiceName": "bench", "ProductID": "bench", "Metastore": "memory", "KMS": "static"}
    config["StaticMasterKeyHex"] = "22" * 32
    session = asherah.SessionFactory(config).get_session("partition")
    names = {"session": session, "seal": session.encrypt_bytes}
    return Peer("asherah", "session.encrypt_bytes(message)", "session.decrypt_bytes(sealed)", names)


def aws_encryption_sdk() -> Peer:
    """With data keys cached, a wrapping key in this process, and the fastest suite it may still use: no signature."""
    import aws_encryption_sdk as sdk
    from aws_encryption_sdk.identifiers import Algorithm, EncryptionKeyType, WrappingAlgorithm
    from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
    from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider

    class Wrapping(RawMasterKeyProvider):
        provider_id = "bench"

        def _get_raw_key(self, key_id: bytes) -> WrappingKey:
            algorithm = WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING
            return WrappingKey(algorithm, KEY, EncryptionKeyType.SYMMETRIC)

    provider = Wrapping()
    provider.add_master_key("key")
    cache = sdk.LocalCryptoMaterialsCache(capacity=100)
    manager = sdk.CachingCryptoMaterialsManager(
        master_key_provider=provider, cache=cache, max_age=86400.0, max_messages_encrypted=2**32
    )
    client = sdk.EncryptionSDKClient()
    suite = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
    names: dict[str, Any] = {"client": client, "manager": manager, "suite": suite}
    encrypt = "client.encrypt(source=message, materials_manager=manager, algorithm=suite)[0]"
    names["seal"] = lambda message: client.encrypt(source=message, materials_manager=manager, algorithm=suite)[0]
    return Peer(
        "aws-encryption-sdk, cached, unsigned",
        encrypt,
        "client.decrypt(source=sealed, materials_manager=manager)[0]",
        names,
    )


def all_peers(report: Report) -> list[Peer]:
    """Those that are installed here and work; of the others the report says why not."""
    found: list[Peer] = []
    makers: list[tuple[str, Callable[[], Peer]]] = [
        ("asherah", asherah),
        ("cryptography AESGCM", lambda: aes_gcm("AESGCM")),
        ("cryptography AESGCMSIV", lambda: aes_gcm("AESGCMSIV")),
        ("cryptography Fernet", fernet),
        ("tink", tink),
        ("pynacl", pynacl),
        ("aws-encryption-sdk", aws_encryption_sdk),
    ]
    for name, make in makers:
        try:
            found.append(make())
        except Exception as error:  # whatever keeps a peer from working, the others are measured
            report.missing.append({"name": name, "why": f"{type(error).__name__}: {error}"})
    return found
