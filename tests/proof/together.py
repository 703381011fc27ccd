"""Eight processes of four languages use one store while four others rotate, stage, disable, enable and re-key.

    together.py [--long] [--seed N]        6 s and one self-test; long: 60 s and a self-test of every language

Each language has a driver in `together/`. Called as

    DRIVER admin STORE REFRESH_INTERVAL

it does one act a line (`rotate KEY`, `stage KEY`, `promote KEY VERSION`, `state KEY VERSION STATE`, `rekey`) and
answers `BEGUN ENDED OUTCOME`. Called as

    DRIVER roam STORE REFRESH_INTERVAL NAME SECONDS LIE KEYS NAMES

it encrypts under every key, opens the newest ciphertext of every process in NAMES or an older one, asks whose it is,
and makes a blind index, over and over until there is a file `stop` or SECONDS are over. It appends to NAME.log, from
which the others read. One process of each language reads of all others; the second of itself alone, since whoever meets
a new version's ciphertext has the news sooner.

    E SEQ BEGUN ENDED KEY CIPHERTEXT    sealed        F SEQ BEGUN ENDED KEY OUTCOME    could not seal or index
    D NAME BEGUN ENDED SEQ OUTCOME      opened        I KEY BEGUN ENDED INDEX

Times are nanoseconds of CLOCK_MONOTONIC, which all processes share. A plaintext says who sealed it, as what number and
under which key, and ends with a checksum; OUTCOME is `ok`, `wrong`, or an error's name. What is right is worked out
here, from the acts and their times, and not asked of the store. With LIE `plaintext` a driver seals what is not so; one
with a long REFRESH_INTERVAL goes on under versions that are no longer current: both must be found.
"""

import argparse
import collections
import dataclasses
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import keyfold

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "proof" / "together"
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
C_DRIVER = ROOT / "build" / "together_driver_c"
DRIVERS = {
    "rust": [str(RELEASE / "examples" / "together_driver")],
    "c": [str(C_DRIVER)],
    "python": [sys.executable, str(HERE / "driver.py")],
    "node": ["node", str(HERE / "driver.mjs")],
}
# One key for each administrator, so that each knows what its key's versions are.
KEYS = {"AES256_GCM_SIV": "rust", "AES256_GCM": "c", "XAES256_GCM": "python", "XCHACHA20_POLY1305": "node"}
SECOND = 1_000_000_000
REFRESH_INTERVAL = 1 * SECOND
BUSY_TIMEOUT = 5 * SECOND


@dataclasses.dataclass
class Version:
    """What an administrator knows of a version; times are when the act began, or was acknowledged."""

    state: str = "enabled"
    current_from: int | None = None
    replaced: int | None = None
    # Of each time that it was disabled: begun, acknowledged, enabling acknowledged.
    disabled: list[list[int | None]] = dataclasses.field(default_factory=list)


class Admin(threading.Thread):
    """Has one driver change one key, and now and then the whole store."""

    def __init__(self, language: str, key: str, seconds: float, seed: int) -> None:
        super().__init__()
        self.key, self.seconds, self.random = key, seconds, random.Random(seed)
        self.versions = [Version(current_from=0)]
        self.acts: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        command = [*DRIVERS[language], "admin", "s.keyfold", "1s"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def act(self, *words: object) -> tuple[int, int] | None:
        """When it began and when it was acknowledged; None where others were in the way for too long."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        begun, ended, outcome = int(answer[0]), int(answer[1]), answer[2]
        if outcome == "ok":
            self.acts[str(words[0] if words[0] != "state" else words[3])] += 1
            return begun, ended
        self.acts[outcome] += 1
        if outcome != "KEYFOLD_BUSY" or ended - begun < BUSY_TIMEOUT:
            self.faults.append(f"{words}: {outcome} after {(ended - begun) / SECOND:.3f} s")
        return None

    def current(self) -> int:
        return max(place for place, version in enumerate(self.versions) if version.current_from is not None)

    def replace(self, at: tuple[int, int], new: Version) -> None:
        self.versions[self.current()].replaced = at[1]
        new.current_from = at[0]

    def run(self) -> None:
        try:
            self.rotate()
            end = time.monotonic_ns() + int(self.seconds * SECOND)
            while time.monotonic_ns() < end:
                self.step()
                time.sleep(self.random.uniform(0.02, 0.4))
        except Exception as error:  # A thread's failure would be lost.
            self.faults.append(f"the administrator of {self.key} failed: {error!r}")
        assert self.process.stdin
        self.process.stdin.close()
        if self.process.wait(timeout=60):
            self.faults.append(f"the administrator of {self.key} ended with {self.process.returncode}")

    def step(self) -> None:
        choice = self.random.choices(
            ["rotate", "stage", "disable", "rotate and disable", "enable", "rekey"], [5, 3, 3, 3, 3, 1]
        )[0]
        if choice == "rekey":
            self.act("rekey")
        elif choice == "stage":
            if self.act("stage", self.key):
                staged = Version("staged")
                time.sleep(self.random.uniform(0, 0.3))
                number = len(self.versions) + 1
                at = self.act("promote", self.key, number)
                while not at:
                    at = self.act("promote", self.key, number)
                self.replace(at, staged)
                staged.state = "enabled"
                self.versions.append(staged)
        elif choice.startswith("rotate"):
            old = self.current()
            if self.rotate() and choice != "rotate":
                self.disable(old)
        else:
            state = "enabled" if choice == "disable" else "disabled"
            places = [place for place, version in enumerate(self.versions) if version.state == state]
            places = [place for place in places if place != self.current()]
            if places and choice == "disable":
                self.disable(self.random.choice(places))
            elif places:
                place = self.random.choice(places)
                if at := self.act("state", self.key, place + 1, "enabled"):
                    self.versions[place].state = "enabled"
                    self.versions[place].disabled[-1][2] = at[1]

    def rotate(self) -> bool:
        if at := self.act("rotate", self.key):
            new = Version()
            self.replace(at, new)
            self.versions.append(new)
        return bool(at)

    def disable(self, place: int) -> None:
        if at := self.act("state", self.key, place + 1, "disabled"):
            self.versions[place].state = "disabled"
            self.versions[place].disabled.append([*at, None])


@dataclasses.dataclass
class Roamer:
    """A process that uses the store."""

    name: str
    language: str
    interval: str = "1s"
    lie: str = "-"
    # Opens what it has sealed itself, and so has news by its refresh alone.
    alone: bool = False

    def start(self, seconds: float, names: list[str]) -> subprocess.Popen[bytes]:
        names = [self.name] if self.alone else names
        # A lease of messages brings news as well, which one that is to have none must not take.
        keys = ",".join(key for key in KEYS if self.interval == "1s" or key != "AES256_GCM")
        roles = ["roam", "s.keyfold", self.interval, self.name, f"{seconds}", self.lie, keys, ",".join(names)]
        return subprocess.Popen([*DRIVERS[self.language], *roles])


class Findings:
    """What was wrong, by sort, and what was counted."""

    def __init__(self) -> None:
        self.faults: dict[str, list[str]] = collections.defaultdict(list)
        self.counts: collections.Counter[str] = collections.Counter()
        # By process and version: how long after the acknowledgement the last one was.
        self.sealed_late: dict[tuple[str, str, int], int] = {}
        self.opened_late: dict[tuple[str, str, int, int], int] = {}

    def fault(self, sort: str, what: str) -> None:
        self.faults[sort].append(what)


def is_checked(data: bytes, name: str, seq: str, key: str) -> bool:
    value = 0xCBF29CE484222325
    for byte in data[:-16]:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return data[-16:] == f"{value:016x}".encode() and data.startswith(f"{name} {seq} {key} ".encode())


def judge(roamers: list[Roamer], admins: dict[str, Admin], secret: str, rng: random.Random) -> Findings:
    """Reads all logs and compares them with the acts."""
    findings = Findings()
    store = keyfold.open("s.keyfold", secret)
    tags = {(key, info.tag): info.version for key in KEYS for info in store.list_key_versions(key)}
    for key, admin in admins.items():
        found = {info.version: (str(info.state), info.is_current) for info in store.list_key_versions(key)}
        known = {n + 1: (version.state, n == admin.current()) for n, version in enumerate(admin.versions)}
        if found != known:
            findings.fault("state", f"{key}: {found} is not {known}")
    sealed: dict[tuple[str, str], tuple[str, int, str]] = {}
    logs = {one.name: [line.split(" ") for line in open(f"{one.name}.log").read().splitlines()] for one in roamers}
    under: collections.Counter[tuple[str, int]] = collections.Counter()
    for name, lines in logs.items():
        for line in lines:
            if line[0] == "E":
                sealed[name, line[1]] = (line[4], tags.get((line[4], int(line[5][2:10], 16)), 0), line[5])
    for name, lines in logs.items():
        for line in lines:
            begun, ended = int(line[2]), int(line[3])
            findings.counts[line[0]] += 1
            if line[0] == "E":
                key, version, _ = sealed[name, line[1]]
                under[key, version] += 1
                judge_sealed(findings, name, key, version, admins[key].versions, begun, ended)
            elif line[0] == "D":
                key, version, _ = sealed[line[1], line[4]]
                judge_opened(findings, name, line, key, version, admins[key].versions)
            elif line[0] == "F" and (line[5] != "KEYFOLD_BUSY" or ended - begun < BUSY_TIMEOUT):
                findings.fault("error", f"{name}: {line}")
            elif line[0] == "I" and line[4] != store.key(line[1]).blind_index(line[1], "field").hex():
                findings.fault("wrong", f"{name}: another blind index: {line}")
    # Once more by one reader, when all is quiet.
    for (name, seq), (key, version, ciphertext) in rng.sample(sorted(sealed.items()), min(20_000, len(sealed))):
        if version and admins[key].versions[version - 1].state != "enabled":
            continue
        try:
            right = is_checked(store.decrypt(key, bytes.fromhex(ciphertext), f"{name} {key}".encode()), name, seq, key)
        except keyfold.KeyfoldError as error:
            right = False
            findings.fault("error", f"{name} {seq} under {key} {version} does not open: {error}")
        findings.counts["again"] += 1
        if not right:
            findings.fault("wrong", f"{name} {seq} under {key} {version} is not what it says")
    for usage in store.key_usage("AES256_GCM"):
        if usage.messages < under["AES256_GCM", usage.version]:
            findings.fault("count", f"{usage}: {under['AES256_GCM', usage.version]} were sealed")
    report = store.check()
    if not report.ok:
        findings.fault("check", str(report.findings))
    store.close()
    return findings


def judge_sealed(
    findings: Findings, name: str, key: str, number: int, versions: list[Version], begun: int, ended: int
) -> None:
    if not 0 < number <= len(versions):
        findings.fault("wrong", f"{name} sealed under no version of {key}")
        return
    version = versions[number - 1]
    if version.current_from is None or ended < version.current_from:
        findings.fault("early", f"{name} sealed under {key} {number} before it was current")
    if version.replaced is not None:
        late = begun - version.replaced
        place = (name, key, number)
        findings.sealed_late[place] = max(findings.sealed_late.get(place, 0), late)
        if late > REFRESH_INTERVAL:
            findings.fault("late", f"{name} sealed under {key} {number} {late / SECOND:.3f} s after it was replaced")


def judge_opened(
    findings: Findings, name: str, line: list[str], key: str, number: int, versions: list[Version]
) -> None:
    begun, ended, outcome = int(line[2]), int(line[3]), line[5]
    spells = versions[number - 1].disabled if 0 < number <= len(versions) else []
    if outcome == "ok":
        for place, (_, disabled, enabled) in enumerate(spells):
            assert disabled is not None
            if begun > disabled and (enabled is None or ended < enabled):
                late = begun - disabled
                spell = (name, key, number, place)
                findings.opened_late[spell] = max(findings.opened_late.get(spell, 0), late)
                if late > REFRESH_INTERVAL:
                    findings.fault("late", f"{name} opened {key} {number} {late / SECOND:.3f} s after it was disabled")
    elif outcome == "KEYFOLD_KEY_UNAVAILABLE":
        findings.counts["refused"] += 1
        fits = [begun for begun, _, enabled in spells if enabled is None or int(line[2]) < enabled + REFRESH_INTERVAL]
        if not any(disabled is not None and disabled <= ended for disabled in fits):
            findings.fault("error", f"{name}: {key} {number} was not disabled: {line}")
    elif outcome == "wrong":
        findings.fault("wrong", f"{name}: {line}")
    elif outcome != "KEYFOLD_BUSY" or ended - begun < BUSY_TIMEOUT:
        findings.fault("error", f"{name}: {line}")


def run(roamers: list[Roamer], seconds: float, seed: int) -> tuple[Findings, dict[str, Admin]]:
    """Has all of them work together for so long, in a folder of their own."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        secret = keyfold.generate_master_key()
        os.environ["KEYFOLD_MASTER_KEY"] = secret
        with keyfold.open("s.keyfold", secret, create=True) as store:
            for key in KEYS:
                store.create_key(key, algorithm=key, purpose="pii")
        names = [one.name for one in roamers]
        for name in names:
            pathlib.Path(f"{name}.log").touch()
        admins = {key: Admin(language, key, seconds, rng.randrange(1 << 32)) for key, language in KEYS.items()}
        processes = [one.start(seconds + 120, names) for one in roamers]
        while any(not os.path.getsize(f"{name}.log") for name in names):
            if any(process.poll() for process in processes):
                break
            time.sleep(0.02)
        for admin in admins.values():
            admin.start()
        for admin in admins.values():
            admin.join()
        # Whoever is late would be seen.
        time.sleep(1.5)
        pathlib.Path("stop").touch()
        codes = [process.wait(timeout=60) for process in processes]
        findings = judge(roamers, admins, secret, rng)
        for admin in admins.values():
            for fault in admin.faults:
                findings.fault("error", fault)
        for one, code in zip(roamers, codes):
            if code:
                findings.fault("error", f"{one.name} ended with {code}")
        os.chdir("/")
    return findings, admins


def spread(late: list[int]) -> str:
    late = sorted(max(0, one) for one in late)
    if not late:
        return "none"
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    shown = [f"{name} {late[min(len(late) - 1, int(len(late) * share))] / 1e6:.1f} ms" for name, share in at.items()]
    return f"{', '.join(shown)}, max {late[-1] / 1e6:.1f} ms"


def say(findings: Findings, admins: dict[str, Admin], roamers: list[Roamer], seconds: float) -> None:
    acts: collections.Counter[str] = collections.Counter()
    for admin in admins.values():
        acts += admin.acts
    counts = findings.counts
    print(f"proof: together: {len(roamers)} processes, {len(admins)} administrators, {seconds:.0f} s")
    print(f"proof: together: acts acknowledged: {dict(acts)}")
    print(
        f"proof: together: {counts['E']} sealed, {counts['D']} opened ({counts['refused']} refused while "
        f"their version was disabled), {counts['I']} blind indexes, {counts['again']} opened again at the end"
    )
    # A process that sealed nothing more under the old version was done with it at the acknowledgement.
    replaced = sum(version.replaced is not None for admin in admins.values() for version in admin.versions)
    late = list(findings.sealed_late.values())
    late += [0] * (replaced * len(roamers) - len(late))
    after = sum(one > 0 for one in late)
    print(f"proof: together: {replaced} versions replaced, times {len(roamers)} processes")
    print(f"proof: together: the last sealing under the old version, after the acknowledgement: {spread(late)}")
    print(f"proof: together: of the {after} that came after it at all: {spread([one for one in late if one > 0])}")
    spells = len(findings.opened_late)
    print(
        f"proof: together: {spells} pairs of a disabled version and a process that still opened: the last such began "
        f"after {spread(list(findings.opened_late.values()))}"
    )
    for sort, faults in findings.faults.items():
        print(f"{len(faults)} of sort {sort}: " + "; ".join(faults[:3]))


def self_tests(long: bool, seed: int) -> list[str]:
    """A driver that seals what is not so, and one that knows of no news, must both be found."""
    languages = list(DRIVERS)
    turns = languages if long else [languages[seed % 4]]
    missed = []
    for turn, liar in enumerate(turns):
        stale = languages[(languages.index(liar) + 1) % 4]
        honest = languages[(languages.index(liar) + 2) % 4]
        ignorant = Roamer("stale", stale, "60s", alone=True)
        roamers = [Roamer("liar", liar, lie="plaintext"), ignorant, Roamer("honest", honest)]
        findings, _ = run(roamers, 1, seed + turn)
        wrong = [fault for fault in findings.faults["wrong"] if fault.startswith("honest")]
        late = [fault for fault in findings.faults["late"] if fault.startswith("stale")]
        late_others = [fault for fault in findings.faults["late"] if not fault.startswith("stale")]
        found = f"{len(wrong)} and {len(late)} faults found"
        print(f"proof: together: self-test: {liar} lied and {stale} was stale: {found}", flush=True)
        if not wrong or not late or late_others:
            missed.append(f"{liar} lied, {stale} was stale: {dict(findings.faults)}"[:400])
    return missed


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 32))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    subprocess.run(
        ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", HERE / "driver.c", "-o", C_DRIVER]
        + [f"-L{RELEASE}", "-lkeyfold", f"-Wl,-rpath,{RELEASE}"],
        check=True,
    )
    missed = self_tests(given.long, given.seed)
    for one in missed:
        print(f"not found: {one}")
    seconds = 60 if given.long else 6
    roamers = [Roamer(f"{language}{n}", language, alone=n == 2) for language in DRIVERS for n in (1, 2)]
    findings, admins = run(roamers, seconds, given.seed)
    say(findings, admins, roamers, seconds)
    sorts = ["wrong", "error", "early", "late", "state", "count", "check"]
    failed = sum(bool(findings.faults[sort]) for sort in sorts) + len(missed)
    passed = len(sorts) + (4 if given.long else 1) - failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
