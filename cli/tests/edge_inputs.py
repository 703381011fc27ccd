#!/usr/bin/env python3
"""Drives tests/edge_inputs.json through the binary.

python3 cli/tests/edge_inputs.py [path of keyfold] [part of a name]
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from edge_table import MASTER_KEY, Driver, Refused, cases_for, counted  # noqa: E402

RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
BINARY = str(Path(sys.argv[1] if len(sys.argv) > 1 else RELEASE / "keyfold").resolve())
# The core's kinds in the order of their numbers; the exit status is 16 more.
CODES = """INVALID_ARGUMENT NOT_FOUND ALREADY_EXISTS IN_USE KEY_UNAVAILABLE DECRYPTION_FAILED VERIFICATION_FAILED
WRONG_MASTER_KEY INTEGRITY_ERROR PERMISSION_DENIED RATE_LIMITED LIMIT_EXCEEDED UNSUPPORTED PROVIDER_UNAVAILABLE
PROVIDER_DENIED BUSY STORAGE_FULL STORAGE CLOSED INTERNAL""".split()
SECRETS = [MASTER_KEY.encode(), base64.b64decode(MASTER_KEY).hex().encode()]
REFERENCES = ("env:", "file:", "fd:")


class CommandLine(Driver):
    """A command for each step. What 'open' was told goes to the commands after it as well."""

    def __init__(self, folder):
        super().__init__(folder)
        self.store, self.opening, self.variable = folder / "S", [], MASTER_KEY
        self.files = 0

    def let_go(self):
        self.store, self.opening, self.variable = self.folder / "S", [], MASTER_KEY

    def keyfold(self, *arguments, stdin=b"", found_wrong=False):
        """What the command prints; raises what it refuses."""
        environment = {
            "PATH": os.environ["PATH"],
            "KEYFOLD_STORE": str(self.store),
            "KEYFOLD_MASTER_KEY": self.variable,
        }
        command = [BINARY, *self.opening, *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, cwd=self.folder, env=environment, timeout=120)
        assert not any(secret in done.stdout + done.stderr for secret in SECRETS), "the master key was printed"
        assert done.returncode in [0, *range(17, 17 + len(CODES))] or (found_wrong and done.returncode == 1), (
            f"{arguments} ended with {done.returncode}: {done.stderr.decode()}"
        )
        if done.returncode < 2:
            return done.stdout
        code = CODES[done.returncode - 17]
        said = done.stderr.decode()
        if "--json" in arguments:
            error = json.loads(said.splitlines()[-1])
            assert error["code"] == "KEYFOLD_" + code, f"the exit status says {code}, and the JSON {error['code']}"
            said = error["message"]
            assert not done.stdout, "something was printed in spite of the error"
        raise Refused(code, said.strip())

    def asked(self, *arguments, **options):
        """What the command says in JSON."""
        return json.loads(self.keyfold(arguments[0], "--json", *arguments[1:], **options))

    def text_form(self, ciphertext):
        return "kf1." + base64.urlsafe_b64encode(ciphertext).decode().rstrip("=")

    # Arguments.

    def kept(self, content):
        """A file of mode 0600 with this content."""
        self.files += 1
        path = self.folder / f"file-{self.files}"
        path.touch(mode=0o600)
        path.write_bytes(self.data_of(content))
        return path

    def references(self, given):
        match given:
            case {"passphrase": text}:
                return [f"passphrase:file:{self.kept(text)}"]
            case {"recovery_key": text}:
                return [f"file:{self.kept(text)}"]
            case {"shares": shares}:
                return [f"shares:file:{self.kept(share)}" for share in shares]
            case {"any_of": several}:
                return [reference for one in several for reference in self.references(one)]
            case str() if given.startswith(REFERENCES):
                return [given]
            case _:
                return [f"file:{self.kept(given)}"]

    def cost(self, given):
        match given:
            case {"memory_kib": memory, "passes": passes, "lanes": lanes}:
                return [f"--passphrase-cost=argon2id:{memory},{passes},{lanes}"]
            case {"pbkdf2_rounds": rounds}:
                return [f"--passphrase-cost=pbkdf2:{rounds}"]
        return []

    def flags(self, step, *leave):
        flags = []
        for name, setting in step.options.items():
            flag = "--" + name.replace("_", "-")
            if name == "labels":
                flags += [f"--label={label}={value}" for label, value in setting.items()]
            elif name not in leave and setting is not False:
                settings = setting if isinstance(setting, list) else [setting]
                flags += [flag if each is True else f"{flag}={each}" for each in settings]
        return flags

    def place(self, step):
        flags = ["--aad-file", self.kept(step["aad"])] if "aad" in step else []
        return flags + [f"--context={name}={value}" for name, value in (step.context or {}).items()]

    def scope(self, step):
        return [f"--purpose={step.text('purpose')}"] if "purpose" in step else [f"--key={step.key_id}"]

    def protection(self, step):
        match step["protection"]:
            case "passphrase":
                return [f"--passphrase=file:{self.kept(step['secret'])}"]
            case "key":
                return [f"--under={step.text('secret')}"]
        return ["--insecure-cleartext"]

    # Stores.

    def open_with(self, step, path):
        self.let_go()
        self.store = path
        given = step.master_key
        if isinstance(given, str) and not given.startswith(REFERENCES):
            # References are for the command line; the key itself never is, so it comes by the environment.
            self.variable = given
        elif given != {"from": "master_key"}:
            self.opening = [f"--master-key={reference}" for reference in self.references(given)]

    def do_open(self, step):
        self.open_with(step, step.path())
        self.opening += self.flags(step, "create")
        if step.options.get("create"):
            self.asked("init", "--exist-ok")
        else:
            self.asked("fingerprint")

    def do_restore(self, step):
        self.open_with(step, step.path())
        self.asked("restore", *self.flags(step), "--", step.path("source"))

    def do_backup(self, step):
        self.asked("backup", "--", step.path())

    def do_check(self, step):
        return self.asked("check", found_wrong=True)["ok"]

    def do_anchor(self, step):
        return self.keyfold("anchor").strip()

    def do_quarantine(self, step):
        reason = f"--reason={step.text('reason')}"
        self.asked("quarantine", "add", reason, "--", step.text("kind"), step.text("id"))

    def do_run_due(self, step):
        self.asked("run-due")

    # Recipients.

    def do_split_shares(self, step):
        return self.keyfold("shares", "split", "-k", step["threshold"], "-n", step["count"], "--reveal").splitlines()

    def do_recipients(self, step):
        return [recipient["recipient_id"] for recipient in self.asked("recipient", "list")]

    def do_add_recipient(self, step):
        flags = self.flags(step) + self.cost(step.master_key)
        self.asked("recipient", "add", *flags, "--", *self.references(step.master_key))

    def do_remove_recipient(self, step):
        self.asked("recipient", "remove", "--", step.text("recipient_id"))

    def do_test_recipient(self, step):
        self.asked("recipient", "test", "--", *self.references(step.master_key))

    def do_drill(self, step):
        self.asked("recipient", "drill", "--", *self.references(step.master_key))

    def do_rotate_master_key(self, step):
        new = self.references(step.master_key) if "master_key" in step else []
        self.asked("master-key", "rotate", *[f"--new={reference}" for reference in new])

    # Keys and versions.

    def with_key(self, step):
        verbs = {"create_key": "create", "rotate_key": "rotate", "archive_key": "archive", "key_usage": "usage"}
        self.asked("key", verbs.get(step["op"], "show"), *self.flags(step), "--", step.key_id)

    do_create_key = do_rotate_key = do_key_info = do_key_usage = with_key
    do_list_key_versions = do_archive_key = with_key

    def do_create_keys(self, step):
        try:
            self.asked("key", "create", "--", *[key_id for key_id, _ in step.keys()])
        except Refused as refused:
            # It does not say the place, since it says the id.
            refused.index = step.get("index")
            raise

    def do_list_keys(self, step):
        return [key["key_id"] for key in self.asked("key", "list", *self.flags(step))]

    def do_promote_version(self, step):
        self.asked("key", "promote", "--", step.key_id, step["version"])

    def do_cancel_destruction(self, step):
        self.asked("key", "cancel-destruction", "--", step.key_id, step["version"])

    def do_set_version_state(self, step):
        reason = [f"--reason={step.text('reason')}"] if "reason" in step else []
        self.asked("key", "state", *reason, "--", step.key_id, step["version"], step.text("state"))

    def do_schedule_destruction(self, step):
        delay = [f"--delay={step.text('delay')}"] if "delay" in step else []
        self.asked("key", "destroy", *delay, "--", step.key_id, step["version"])

    def do_register_purpose(self, step):
        self.asked("purpose", "register", *self.flags(step), "--", step.text("purpose"))

    def do_index_salts(self, step):
        self.asked("index-salt", "list", *self.scope(step))

    def do_rotate_index_salt(self, step):
        self.asked("index-salt", "rotate", *self.scope(step))

    def do_retire_index_salt(self, step):
        self.asked("index-salt", "retire", *self.scope(step), "--", step["version"])

    def revealed(self, *arguments):
        return self.keyfold(*arguments[:-1], "--encoding=raw", "--reveal", "--", *arguments[-1])

    def do_get_index_salt(self, step):
        version = [f"--salt-version={step['version']}"] if "version" in step else []
        return self.revealed("index-salt", "show", *self.scope(step), *version, [])

    def do_derive_key(self, step):
        version = [f"--key-version={step['version']}"] if "version" in step else []
        return self.revealed("derive", f"--length={step['length']}", *version, [step.key_id, step.text("purpose")])

    # Keys in and out.

    def do_import_key(self, step):
        flags = [f"--encoding={step.text('encoding')}", *self.flags(step)]
        self.asked("key", "import", *flags, "--", step.key_id, stdin=step.data("material"))

    def do_get_data_key(self, step):
        version = [f"--key-version={step['version']}"] if "version" in step else []
        return self.revealed("key", "export", *version, [step.key_id])

    def do_export_keyset(self, step):
        form = [f"--format={step['format']}"] if "format" in step else []
        reveal = ["--reveal"] if step["protection"] == "insecure_cleartext" else []
        return self.keyfold("keyset", "export", *form, *self.protection(step), *reveal, "--", step.key_id)

    def do_import_keyset(self, step):
        flags = self.protection(step) + self.flags(step)
        self.asked("keyset", "import", *flags, "--", step.key_id, stdin=step.data("keyset"))

    # Messages.

    def do_encrypt(self, step):
        return self.keyfold("encrypt", *self.place(step), "--", step.key_id, stdin=step.data("plaintext"))

    def with_ciphertext(self, step):
        verb = step["op"].removesuffix("_stream")
        return self.keyfold(verb, *self.place(step), "--", step.key_id, stdin=step.data("ciphertext"))

    do_decrypt = do_reencrypt = do_decrypt_stream = with_ciphertext
    do_encrypt_stream = do_encrypt

    def do_inspect(self, step):
        return self.asked("inspect", stdin=step.data("ciphertext"))

    def with_file(self, step):
        verb = step["op"].removesuffix("_file")
        flags = [f"--out={step.path('target')}", *self.flags(step)]
        self.keyfold(verb, *flags, "--", step.key_id, step.path("source"))

    do_encrypt_file = do_decrypt_file = with_file

    # Codes and indexes.

    def do_mac(self, step):
        raw = ["--no-prefix"] if step.get("raw") else []
        return self.keyfold("mac", "make", "--encoding=raw", *raw, "--", step.key_id, stdin=step.data("data"))

    def do_verify_mac(self, step):
        mac = step.data("mac")
        form = "text" if mac.startswith(b"kf1.") else "raw"
        flags = [f"--encoding={form}", f"--mac-file={self.kept(step['mac'])}"]
        flags += ["--no-prefix"] if step.get("raw") else []
        self.asked("mac", "verify", *flags, "--", step.key_id, stdin=step.data("data"))

    def indexes(self, step, *flags):
        arguments = [*flags, *self.flags(step), "--", step.key_id, step.text("field")]
        return [
            bytes.fromhex(line.decode()) for line in self.keyfold("index", *arguments, stdin=step.data("value")).split()
        ]

    def do_blind_index(self, step):
        (index,) = self.indexes(step)
        return index

    def do_blind_indexes(self, step):
        return self.indexes(step, "--all")

    def do_index_report(self, step):
        self.asked("index-report", *self.flags(step), stdin=b"\n".join(step.values("values")))


def main():
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    with tempfile.TemporaryDirectory() as model, counted("cli", wanted) as verdict:
        made = CommandLine(Path(model))
        made.keyfold("init")
        made.keyfold("key", "create", "pii", "other")
        for case in cases_for("cli"):
            if wanted in case["name"]:
                with tempfile.TemporaryDirectory() as folder:
                    shutil.copy(Path(model, "S"), folder)
                    try:
                        problem = CommandLine(Path(folder)).run(case)
                    except Exception as error:  # whatever it is, the other cases still run
                        problem = f"{type(error).__name__}: {error}"
                verdict(case, problem)


if __name__ == "__main__":
    main()
