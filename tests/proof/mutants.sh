#!/bin/sh
# Mutation: cargo-mutants over format, keyring, hierarchy and the records' integrity (.cargo/mutants.toml).
#
#   mutants.sh [BASE]        what differs from BASE (default: main) in those files
#   mutants.sh --long        all of them; a build and the tests for each, so hours
#
# Wants cargo-mutants: cargo install cargo-mutants --locked. Exit 0: none survived that docs/mutation.md does not
# explain. The last line says how many were caught and how many not.
set -u
cd "$(dirname "$0")/../.." || exit 2
cargo mutants --version >/dev/null 2>&1 || { echo "cargo-mutants is missing: cargo install cargo-mutants --locked"; exit 2; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
if [ "${1:-}" = --long ]; then
    cargo mutants --jobs 1 --no-shuffle --output "$work"
else
    git diff "$(git merge-base HEAD "${1:-main}")" -- core/src >"$work/changes.diff"
    if [ ! -s "$work/changes.diff" ]; then
        echo "nothing that is mutated has changed"
        echo "0 passed, 0 failed"
        exit 0
    fi
    cargo mutants --jobs 1 --no-shuffle --in-diff "$work/changes.diff" --output "$work"
fi
out=$work/mutants.out
[ -d "$out" ] || { echo "nothing that is mutated has changed"; echo "0 passed, 0 failed"; exit 0; }
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
passed=$(grep -c . "$out/caught.txt")
echo "proof: mutants: $passed caught, $(grep -c . "$out/missed.txt") missed, $(grep -c . "$out/timeout.txt") timed out, $(grep -c . "$out/unviable.txt") did not build"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
