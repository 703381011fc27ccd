#!/bin/sh
# Installs what was built, or removes it: the header, the shared and the static library, the pkg-config file, the
# command, its manual pages and its completions. `make install` calls this after building; it builds nothing itself.
#
#   PREFIX=/usr/local DESTDIR= packaging/install.sh install|uninstall
#
# LIBDIR is PREFIX/lib unless said otherwise. DESTDIR is put before every path that is written, for packagers.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
abi=$(sed -n 's/^const ABI_VERSION: u32 = \([0-9]*\);$/\1/p' "$root/ffi-c/build.rs")
target=${CARGO_TARGET_DIR:-$root/target}/release
prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
destination=${DESTDIR:-}

fail() { echo "keyfold: $1" >&2; exit 2; }
for path in "$prefix" "$libdir"; do
    case $path in /*) ;; *) fail "PREFIX and LIBDIR are absolute paths, which $path is not" ;; esac
done
bin=$destination$prefix/bin
include=$destination$prefix/include
lib=$destination$libdir
pkgconfig=$lib/pkgconfig
share=$destination$prefix/share
man=$share/man/man1
bash=$share/bash-completion/completions
zsh=$share/zsh/site-functions
fish=$share/fish/vendor_completions.d

# `${prefix}` where a folder lies under it, so that the tree can be moved; pkg-config wants its spaces escaped.
relative() {
    case $1 in "$prefix"/*) printf '${prefix}%s' "${1#"$prefix"}" ;; *) printf '%s' "$1" ;; esac
}
escaped() { printf '%s' "$1" | sed -e 's/[\\ ]/\\&/g' -e 's/[\\&|]/\\&/g'; }

# The command writes its own manual pages and completions, if it can.
documentation() {
    keyfold=$target/keyfold
    for shell in bash zsh fish; do
        "$keyfold" completions "$shell" >"$made/$shell" 2>/dev/null || rm -f "$made/$shell"
    done
    put "$made/bash" "$bash/keyfold"
    put "$made/zsh" "$zsh/_keyfold"
    put "$made/fish" "$fish/keyfold.fish"
    # One page for each of its commands into a folder, or the one page to standard output.
    mkdir "$made/man"
    "$keyfold" man "$made/man" >/dev/null 2>&1 || "$keyfold" man >"$made/man/keyfold.1" 2>/dev/null || return 0
    for page in "$made/man"/*.1; do put "$page" "$man/${page##*/}"; done
}
put() { if [ -s "$1" ]; then install -Dm644 "$1" "$2"; fi; }

install_all() {
    for file in keyfold libkeyfold.so libkeyfold.a; do
        [ -f "$target/$file" ] || fail "there is no $target/$file: run make rust first"
    done
    made=$(mktemp -d)
    trap 'rm -rf "$made"' EXIT
    install -Dm755 "$target/keyfold" "$bin/keyfold"
    install -Dm644 "$root/include/keyfold.h" "$include/keyfold.h"
    install -Dm755 "$target/libkeyfold.so" "$lib/libkeyfold.so.$version"
    ln -sf "libkeyfold.so.$version" "$lib/libkeyfold.so.$abi"
    ln -sf "libkeyfold.so.$abi" "$lib/libkeyfold.so"
    install -Dm644 "$target/libkeyfold.a" "$lib/libkeyfold.a"
    sed -e "s|@prefix@|$(escaped "$prefix")|" -e "s|@libdir@|$(escaped "$(relative "$libdir")")|" \
        -e 's|@includedir@|${prefix}/include|' -e "s|@version@|$version|" "$root/ffi-c/keyfold.pc.in" >"$made/keyfold.pc"
    install -Dm644 "$made/keyfold.pc" "$pkgconfig/keyfold.pc"
    documentation
    if [ -z "$destination" ]; then
        echo "installed under $prefix; run ldconfig if the loader does not find libkeyfold.so.$abi"
    fi
}

uninstall_all() {
    rm -f "$bin/keyfold" "$include/keyfold.h" "$pkgconfig/keyfold.pc" "$lib/libkeyfold.a" "$lib/libkeyfold.so" \
        "$lib/libkeyfold.so.$abi" "$lib/libkeyfold.so.$version" \
        "$man/keyfold.1" "$man"/keyfold-*.1 "$bash/keyfold" "$zsh/_keyfold" "$fish/keyfold.fish"
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) fail "say install or uninstall" ;;
esac
