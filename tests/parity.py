"""Names and errors are the same in every language.

The errors of `core/src/error.rs` are compared with those of the C header, the Python package and the Node package;
the calls below must exist under their names in Rust, C, Python and Node.
"""

import json
import pathlib
import re
import subprocess
import sys

import keyfold

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = (ROOT / "include" / "keyfold.h").read_text()
RUST = {
    "store": "".join(path.read_text() for path in (ROOT / "core/src/store").rglob("*.rs")),
    "key": "".join(path.read_text() for path in (ROOT / "core/src/key").rglob("*.rs")),
    "": "".join(path.read_text() for path in (ROOT / "core/src").rglob("*.rs")),
}

# Calls by what they are called on; as in Rust and Python, with what another language calls it where that differs.
STORE = (
    "key create_key create_keys key_info list_keys list_key_versions key_usage key_for"
    " rotate_key promote_version set_version_state archive_key schedule_destruction cancel_destruction run_due"
    " purge purge_pending register_purpose purposes"
    " index_salts rotate_index_salt retire_index_salt get_index_salt derive_key"
    " recipients add_recipient remove_recipient test_recipient recipient_public_key drill rotate_master_key"
    " import_key get_data_key get_encryption_key export_keyset import_keyset backup quarantine quarantined"
    " encrypt decrypt inspect check anchor fingerprint is_verified close"
)
KEY = (
    "id info encrypt decrypt encrypt_text decrypt_text reencrypt needs_reencrypt search_ciphertexts"
    " encrypt_many decrypt_many encrypt_stream decrypt_stream encrypt_file decrypt_file mac verify_mac"
    " blind_index blind_indexes blind_index_many blind_index_compound blind_indexes_compound"
)
MODULE = "generate_master_key is_ciphertext to_text from_text restore index_report"
NODE = """
const k = require("keyfold");
const own = (c) => Object.getOwnPropertyNames(c.prototype);
console.log(JSON.stringify({ store: own(k.Store), key: own(k.Key), "": Object.keys(k), codes: k.errorCodes }));
"""

problems: list[str] = []
checked = 0


def check(holds: bool, problem: str) -> None:
    global checked
    checked += 1
    if not holds:
        problems.append(problem)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def names(node: dict[str, list[str]]) -> None:
    python = {"store": keyfold.Store, "key": keyfold.Key, "": keyfold}
    for owner, calls in (("store", STORE), ("key", KEY), ("", MODULE)):
        for call in calls.split():
            check(f"pub fn {call}" in RUST[owner], f"Rust has no {owner} {call}")
            check(hasattr(python[owner], call), f"Python has no {owner} {call}")
            check(camel(call) in node[owner], f"Node has no {owner} {camel(call)}")
            c_name = "_".join(filter(None, ["keyfold", owner, call]))
            check(re.search(rf"\b{c_name}\(", HEADER) is not None, f"C has no {c_name}")


def errors(node: dict[str, list[str]]) -> None:
    kinds = re.findall(r'^    (\w+) = (\d+), "(\w+)";', (ROOT / "core/src/error.rs").read_text(), re.M)
    check(len(kinds) == 20, f"the core has {len(kinds)} kinds of error")
    in_c = dict(re.findall(r"^\s+(KEYFOLD_\w+) = (\d+),?$", HEADER, re.M))
    in_python = {
        c.__name__ for c in vars(keyfold).values() if isinstance(c, type) and issubclass(c, keyfold.KeyfoldError)
    }
    for name, number, code in kinds:
        check(in_c.get(code) == number, f"C has {code} = {in_c.get(code)}, not {number}")
        check(name in in_python, f"Python has no {name}")
        check(code in node["codes"], f"Node has no {code}")
    check(in_python - {name for name, _, _ in kinds} == {"KeyfoldError"}, "Python has other classes of error")
    check(len(node["codes"]) == len(kinds), "Node has other codes")


def main() -> int:
    node = json.loads(subprocess.run(["node", "-e", NODE], cwd=ROOT, check=True, capture_output=True).stdout)
    names(node)
    errors(node)
    for problem in problems:
        print(problem)
    print(f"{checked - len(problems)} passed, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
