#!/bin/sh
# Mutation: cargo-mutants over format, keyring, hierarchy and the records' integrity (.cargo/mutants.toml).
#
#   mutants.sh [BASE]        what differs from BASE (default: main) in those files
#   mutants.sh --long        all of them; some seconds for each, so an hour or more
#   mutants.sh --long REGEX those whose names match, `core/src/format/` say
#
# Wants cargo-mutants: cargo install cargo-mutants --locked. Exit 0: none survived that docs/mutation.md does not
# explain. The last line says how many were caught and how many not.
set -u
cd "$(dirname "$0")/../.." || exit 2
cargo mutants --version >/dev/null 2>&1 || { echo "cargo-mutants is missing: cargo install cargo-mutants --locked"; exit 2; }
root=$PWD
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
matching=.
if [ "${1:-}" = --long ]; then
    matching=${2:-.}
else
    git diff "$(git merge-base HEAD "${1:-main}")" -- core/src >"$work/changes.diff"
    if [ ! -s "$work/changes.diff" ]; then
        echo "nothing that is mutated has changed"
        echo "0 passed, 0 failed"
        exit 0
    fi
fi
# cargo-mutants lists some whatever the pattern.
if ! cargo mutants --list "--re=$matching" | grep -qE -e "$matching"; then
    echo "no mutant's name matches $matching"
    exit 2
fi
# SQLite and aws-lc as the release build has them.
python3 tests/native.py || exit 2
# Mutated in place in a copy that is always at the same path, so that little is compiled twice; its files are new, so that
# nothing of an earlier mutant counts as built.
tree=$root/build/mutants
rm -rf "$tree"
mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp -P --parents -t "$tree"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"

# Each mutant meets the tests that notice most within a second or two; those that they miss meet all that might notice.
quick="store quarantine recipients rekey tampering tampering_pages usage"
full="backup batches crypto_paths denials fixtures hot_path interplay kinds life modes processes properties quarantine
    recipient_keysets recipients rekey search store streams tampering tampering_cells tampering_flips tampering_pages tampering_schema
    transfer usage"
out=$work/mutants.out

# mutate SUITES ARGUMENTS
mutate() {
    suites=$1
    shift
    for suite in $suites; do
        set -- "-C--test=$suite" "$@"
    done
    set -- "--re=$matching" "$@"
    if [ -s "$work/changes.diff" ]; then
        set -- --in-diff "$work/changes.diff" "$@"
    fi
    (cd "$tree" && cargo mutants --in-place --no-shuffle --output "$work" -C--lib "-C--config=$root/build/native.toml" "$@")
    # 2: some were missed; 3: some timed out. Whatever else is no verdict: the tests fail without a mutant, say.
    case $? in 0 | 2 | 3) ;; *) exit 2 ;; esac
}

# Lines of these files of the last run; none where it had nothing to do.
count() {
    (cd "$out" 2>/dev/null && cat "$@" 2>/dev/null) | grep -c .
}

mutate "$quick" -- -- --skip primitives:: --skip store:: --skip sys:: --skip key:: --skip keyset:: --skip master_key::
passed=$(count caught.txt)
unviable=$(count unviable.txt)
if [ "$(count missed.txt timeout.txt)" -gt 0 ]; then
    mutate "$full" --iterate
    passed=$((passed + $(count caught.txt)))
fi
failed=0
# A survivor counts unless docs/mutation.md names it: `file.rs: replace … with …`, without line numbers.
while IFS= read -r line; do
    [ -n "$line" ] || continue
    name=$(printf '%s' "$line" | sed -E 's/^core\/src\///; s/:[0-9]+:[0-9]+: /: /')
    if grep -qF "\`$name\`" docs/mutation.md; then
        echo "explained: $line"
    else
        echo "survived: $line"
        failed=$((failed + 1))
    fi
done <<END
$(cat "$out/missed.txt" "$out/timeout.txt" 2>/dev/null)
END
echo "proof: mutants: $passed caught, $(count missed.txt) missed, $(count timeout.txt) timed out, $unviable did not build"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
