"""Writes the vectors that come from NIST, RFCs and the HPKE drafts, out of the `cryptography-vectors` package of PyPI.

    collect.py            writes the files beside this one
    collect.py --check    says whether they are what the package gives

Each file names its source, how many tests that has, and how many of them ask for what keyfold does not do.
"""

import json
import pathlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import cryptography_vectors

HERE = pathlib.Path(__file__).resolve().parent
VERSION = cryptography_vectors.__version__
# Of NIST's 1,000 tests of ML-KEM-768, 12 MB, so many.
ML_KEM_TESTS = 10


def text(path: str) -> str:
    with cryptography_vectors.open_vector_file(path, "r") as file:
        return file.read()


def blocks(path: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Each test of a file of `name = value` lines, with the `[name = value]` lines that hold for it."""
    section: dict[str, str] = {}
    test: dict[str, str] = {}
    for line in [*text(path).splitlines(), ""]:
        if match := re.fullmatch(r"\[(\w+)\s*=\s*(.*)\]", line.strip()):
            section = {**section, match[1].lower(): match[2]}
        elif match := re.fullmatch(r"(\w+)\s*=\s*(.*)", line.strip()):
            test[match[1].lower()] = match[2].strip()
        elif line.strip() == "FAIL":
            test["fail"] = ""
        elif not line.strip() and len(test) > 1:
            yield section, test
            test = {}


def gcm() -> dict[str, Any]:
    tests, left_out = [], {"tag is not 128 bits": 0, "nonce is not 96 bits": 0}
    for name in ["gcmEncryptExtIV256", "gcmDecrypt256"]:
        for section, test in blocks(f"ciphers/AES/GCM/{name}.rsp"):
            if section["taglen"] != "128":
                left_out["tag is not 128 bits"] += 1
            elif section["ivlen"] != "96":
                left_out["nonce is not 96 bits"] += 1
            else:
                sealed = {"key": test["key"], "nonce": test["iv"], "aad": test["aad"]}
                sealed["sealed"] = test["ct"] + test["tag"]
                # Without plaintext where it does not open.
                tests.append(sealed if "fail" in test else {**sealed, "plaintext": test["pt"]})
    return {"source": "NIST CAVP, CAVS 14.0, GCM with keys of 256 bits", "left_out": left_out, "tests": tests}


def cmac() -> dict[str, Any]:
    tests = [
        {"key": test["key"], "message": test["message"], "code": test["output"]}
        for _, test in blocks("CMAC/nist-800-38b-aes256.txt")
    ]
    return {"source": "NIST SP 800-38B, appendix D.3: CMAC with AES-256", "tests": tests}


def sha256() -> dict[str, Any]:
    tests = [
        {"message": test["msg"] if test["len"] != "0" else "", "digest": test["md"]}
        for _, test in blocks("hashes/SHA2/SHA256ShortMsg.rsp")
    ]
    monte = [test for _, test in blocks("hashes/SHA2/SHA256Monte.rsp") if "count" in test]
    seed = re.search(r"^Seed = (\w+)", text("hashes/SHA2/SHA256Monte.rsp"), re.M)
    assert seed
    return {
        "source": "NIST CAVP, CAVS 11, SHA-256: short messages, and the chain of 100 times 1,000 digests",
        "seed": seed[1],
        "chain": [test["md"] for test in monte],
        "tests": tests,
    }


def ml_kem() -> dict[str, Any]:
    tests = []
    for line in text("asymmetric/MLKEM/kat_MLKEM_768.rsp").splitlines():
        name, _, value = line.partition(" = ")
        if name == "count":
            tests.append({})
        elif name in ["z", "d", "msg", "pk", "ct", "ss"]:
            tests[-1][name] = value
    names = {"d": "d", "z": "z", "message": "msg", "public": "pk", "ciphertext": "ct", "shared": "ss"}
    chosen = [{ours: test[theirs] for ours, theirs in names.items()} for test in tests[:ML_KEM_TESTS]]
    source = "known answers of FIPS 203, ML-KEM-768"
    return {"source": source, "left_out": {"for brevity": len(tests) - len(chosen)}, "tests": chosen}


def hmac_sha512() -> dict[str, Any]:
    tests = [
        {"key": test["key"], "message": test["msg"], "code": test["md"]}
        for _, test in blocks("HMAC/rfc-4231-sha512.txt")
    ]
    return {"source": "RFC 4231, section 4: HMAC-SHA512 (without the truncated case 5)", "tests": tests}


def chacha() -> dict[str, Any]:
    def plain(value: str) -> str:
        return value[1:-1].encode().hex() if value.startswith('"') else value

    tests = [
        {
            "key": test["key"],
            "nonce": test["nonce"],
            "aad": plain(test["ad"]),
            "plaintext": plain(test["in"]),
            "sealed": test["ct"] + test["tag"],
        }
        for _, test in blocks("ciphers/ChaCha20Poly1305/boringssl.txt")
    ]
    source = "RFC 8439, section 2.8.2, and further ones of BoringSSL: ChaCha20-Poly1305"
    kept = [test for test in tests if len(test["sealed"]) == len(test["plaintext"]) + 32]
    left_out = {"tag is not 128 bits": len(tests) - len(kept)}
    return {"source": source, "left_out": left_out, "tests": kept}


def siv() -> dict[str, Any]:
    tests, left_out = [], {"key is not 512 bits": 0}
    for _, test in blocks("ciphers/AES/SIV/openssl.txt"):
        if len(test["key"]) != 128:
            left_out["key is not 512 bits"] += 1
            continue
        aad = [test["aad"]] + [test[name] for name in ["aad2", "aad3"] if name in test]
        sealed = test["tag"] + test["ciphertext"]
        tests.append({"key": test["key"], "aad": aad, "plaintext": test["plaintext"], "sealed": sealed})
    return {"source": "OpenSSL's extension of RFC 5297, appendix A.1, to AES-256", "left_out": left_out, "tests": tests}


def x25519() -> dict[str, Any]:
    tests = [
        {"scalar": test["input_scalar"], "point": test["input_u"], "result": test["output_u"]}
        for _, test in blocks("asymmetric/X25519/rfc7748.txt")
    ]
    return {"source": "RFC 7748, section 5.2: X25519, two inputs and a chain's first link", "tests": tests}


def ed25519() -> dict[str, Any]:
    tests = []
    for line in text("asymmetric/Ed25519/sign.input").splitlines():
        secret, public, message, signed, _ = line.split(":")
        tests.append({"seed": secret[:64], "public": public, "message": message, "signature": signed[:128]})
    chosen = tests[::16]
    source = "the reference implementation's sign.input: Ed25519"
    return {"source": source, "left_out": {"for brevity": len(tests) - len(chosen)}, "tests": chosen}


def argon2id() -> dict[str, Any]:
    tests = []
    for _, test in blocks("KDF/argon2id.txt"):
        one: dict[str, Any] = {"memory": int(test["memcost"]), "passes": int(test["iter"]), "lanes": int(test["lanes"])}
        one |= {"password": test["pass"], "salt": test["salt"], "output": test["output"]}
        one |= {"secret": test.get("secret", ""), "data": test.get("ad", "")}
        tests.append(one)
    return {"source": "RFC 9106, section 5.3, OpenSSL's and those of the argon2 command: Argon2id", "tests": tests}


def hpke() -> dict[str, Any]:
    # Base mode with HKDF-SHA256: X-Wing, whose one test has ChaCha20-Poly1305, and X25519 with AES-256-GCM.
    suites = {("hpke-pq-test-vectors", 0x647A, 3): "X-Wing", ("test-vectors", 0x20, 2): "X25519"}
    tests, left_out = [], 0
    for file in ["hpke-pq-test-vectors", "test-vectors"]:
        for test in json.loads(text(f"HPKE/{file}.json")):
            kem = suites.get((file, test["kem_id"], test["aead_id"]))
            if not kem or test["mode"] or test["kdf_id"] != 1:
                left_out += 1
                continue
            first = test["encryptions"][0]
            one = {"kem": kem, "info": test["info"], "private": test["skRm"], "public": test["pkRm"]}
            one |= {"randomness": test["ikmE"], "encapsulated": test["enc"]}
            tests.append(one | {"aad": first["aad"], "plaintext": first["pt"], "ciphertext": first["ct"]})
    return {
        "source": "draft-ietf-hpke-pq and RFC 9180, appendix A: the first message of each test",
        "left_out": {"another mode, KEM, KDF or AEAD": left_out},
        "tests": tests,
    }


FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "nist-aes256-gcm": gcm,
    "nist-aes256-cmac": cmac,
    "nist-sha256": sha256,
    "nist-ml-kem-768": ml_kem,
    "rfc4231-hmac-sha512": hmac_sha512,
    "rfc5297-aes256-siv": siv,
    "rfc7748-x25519": x25519,
    "rfc8439-chacha20-poly1305": chacha,
    "rfc9106-argon2id": argon2id,
    "ed25519": ed25519,
    "hpke": hpke,
}


def shown(content: dict[str, Any]) -> str:
    content["source"] += f"; by way of cryptography-vectors {VERSION}"
    tests = ",\n".join("    " + json.dumps(test) for test in content.pop("tests"))
    head = "".join(f"  {json.dumps(name)}: {json.dumps(value)},\n" for name, value in content.items())
    return f'{{\n{head}  "tests": [\n{tests}\n  ]\n}}\n'


def main() -> int:
    differ = 0
    for name, collect in FILES.items():
        path, content = HERE / f"{name}.json", shown(collect())
        if "--check" not in sys.argv[1:]:
            path.write_text(content)
        elif path.read_text() != content:
            print(f"{path.name} is not what the package gives")
            differ += 1
    print(f"{len(FILES) - differ} passed, {differ} failed")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
