"""What the documentation names must exist: linked files, paths in back quotes, limits, error kinds."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("*/README.md")),
]
problems: list[str] = []

for page in PAGES:
    text = page.read_text()
    name = page.relative_to(ROOT)
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not (page.parent / link).exists():
            problems.append(f"{name}: the link to {link} leads nowhere")
    for path in re.findall(
        r"`((?:core|ffi-c|bindings-python|bindings-node|cli|tests|benches|docs|include|examples)/[\w./-]+)`", text
    ):
        if not (ROOT / path).exists() and not (page.parent / path).exists():
            problems.append(f"{name}: there is no {path}")
    if re.search(r"/(?:work|home|root|tmp)/\w", text):
        problems.append(f"{name}: names a path of somebody's machine")

errors = (ROOT / "docs" / "errors.md").read_text()
for kind, number, code in re.findall(r'^    (\w+) = (\d+), "(\w+)";', (ROOT / "core/src/error.rs").read_text(), re.M):
    if f"| {kind} | {number} | {16 + int(number)} | {code} |" not in errors:
        problems.append(f"docs/errors.md: no row for {kind}, {number}, {code}")

limits = (ROOT / "docs" / "limits.md").read_text()
WORDS = {
    "KEY_ID_BYTES": "key id",
    "AAD_BYTES": "associated data",
    "MESSAGE_BYTES": "single message",
    "STREAM_SEGMENTS": "2^32 segments",
    "BATCH": "values of a batch | 100,000",
    "BATCH_BYTES": "a batch, its ciphertexts",
    "CONTEXT_FIELDS": "fields of a context",
    "LABELS": "labels of a key",
    "LABEL_BYTES": "names and values up to 255",
    "DESCRIPTION_BYTES": "description of a key",
    "VERSIONS": "versions of a key",
    "MESSAGES_AES256_GCM": "AES256_GCM | 2^32",
    "MESSAGES_AES256_GCM_SIV": "AES256_GCM_SIV | 2^45",
    "MESSAGES_AES256_SIV": "AES256_SIV | 2^48",
    "MESSAGES": "streams | 2^63",
    "COUNTED_BYTES": "1 MiB begun",
    "FIRST_LEASE": "first lease",
    "LARGEST_LEASE": "largest lease",
    "RAW_VERSIONS": "without a prefix",
    "KEYSET_BYTES": "keyset that is imported",
    "KEY_MATERIAL_BYTES": "key material",
    "RECIPIENT_KEY_BYTES": "recipient's public key",
    "DENIAL_PAUSE": "records of denials",
    "DENIAL_KINDS": "kinds of denials",
    "DENIAL_WAIT": "to record a denial",
    "QUARANTINE_REASON_BYTES": "reason for a quarantine",
    "CREATE_KEYS": "one call of `create_keys`",
    "PAGE_KEYS": "`iter_keys` reads at a time",
    "PURPOSE_BYTES": "names 1 to 64 bytes",
    "PURPOSES": "purposes of a store",
    "REASON_BYTES": "reason for a version's state",
    "PERIOD": "a thousand years",
    "PURGE_WAIT": "written anew after a destruction",
    "RECIPIENTS": "recipients of a store",
    "RECIPIENT_ID_BYTES": "id of a recipient",
    "SHARES": "shares of one secret",
    "ACTOR_BYTES": "actor in the audit log",
    "INDEX_FIELD_BYTES": "field name of a blind index",
    "INDEX_BITS": "bits of a blind index",
    "INDEX_VALUE_BYTES": "value of a blind index",
    "INDEX_TEXT_BYTES": "value of a blind index that is read as text",
    "INDEX_LENGTH": "length of a prefix or suffix index",
    "INDEX_NORMALIZERS": "normalisers of a blind index",
    "INDEX_FIELDS": "fields of a compound index",
    "INDEX_BATCH": "values in one call for blind indexes",
    "INDEX_REPORT_VALUES": "values of an index report",
    "INDEX_SALTS": "live versions of an index root",
    "MASTER_KEY_SOURCE_BYTES": "master key file",
    "DERIVE_PURPOSE_BYTES": "purpose of a derived key",
    "DERIVED_BYTES": "bytes derived at once",
    "PASSWORD_BYTES": "a password",
    "PASSWORD_SALT_BYTES": "its salt",
    "ARGON2_MEMORY_KIB": "19 MiB to 1 GiB",
    "ARGON2_PASSES": "1 to 10 passes",
    "ARGON2_LANES": "1 to 8 lanes",
    "PBKDF2_ROUNDS": "rounds",
    "OPTIONS_BYTES": "options in JSON",
    "REFRESH_INTERVAL": "`refresh_interval`",
    "MAX_STALE": "`max_stale`",
    "BUSY_TIMEOUT": "`busy_timeout`",
    "CLOSE_WAIT": "when a store is closed",
    "LOOK_SPACING": "looks for a newer version",
}
for constant in re.findall(r"^pub const (\w+):", (ROOT / "core/src/limits.rs").read_text(), re.M):
    if constant not in WORDS or WORDS[constant] not in limits:
        problems.append(f"docs/limits.md: no line for {constant}")

for problem in problems:
    print(problem)
sys.exit(bool(problems))
