#!/usr/bin/env bash
# Brings a checkout on a Debian machine to where it can run: packages, .venv, native build. `make` calls it.
#
#   image/bootstrap.sh run|test [COMMAND...]
#
# Installs only what is missing, then replaces itself by COMMAND. Exit code 1 with one sentence and a hint when something cannot be had.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
export HOME
venv=$root/.venv

say() { printf '%s\n' "$*"; }

die() { # sentence, hint
    printf 'holdfast: %s.\n  hint: %s\n' "$1" "$2" >&2
    exit 1
}

usage() {
    say "usage: image/bootstrap.sh run|test [COMMAND...]" >&2
    exit 2
}

# ---- Debian packages ----------------------------------------------------------------------------------------------

listed() { # the packages named in image/packages-NAME.txt, for each NAME
    local name
    for name in "$@"; do
        sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "image/packages-$name.txt"
    done | sort -u
}

missing() { # those of the packages given that are not installed
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || say "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo ${sudo_quiet:+-n} env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

apt() { # apt-get, waiting for another installer's locks: apt itself waits for dpkg's, not for that of the package lists
    local log try
    log=$(mktemp)
    for try in $(seq 1 60); do
        if as_root apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1; then
            rm -f "$log"
            return 0
        fi
        grep -q 'Could not get lock\|Unable to lock' "$log" || break
        [ "$try" = 1 ] && say "  waiting for another package installer to finish"
        sleep 5
    done
    tail -n 15 "$log" >&2
    rm -f "$log"
    return 1
}

install_packages() { # list names
    local wanted absent
    command -v dpkg-query >/dev/null || die "This machine has no dpkg" "Holdfast is built on Debian 12 or later; see image/packages-*.txt for what it needs elsewhere"
    mapfile -t wanted < <(listed "$@")
    mapfile -t absent < <(missing "${wanted[@]}")
    say "Debian packages: ${wanted[*]}"
    [ "${#absent[@]}" -gt 0 ] || return 0
    say "  to install: ${absent[*]}"
    local by_hand="as root, run: apt-get install --no-install-recommends ${absent[*]}"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "Debian packages are missing and this user may not install them (no sudo): ${absent[*]}" "$by_hand"
        [ -t 0 ] || sudo_quiet=yes # nobody there to type a password
        as_root true || die "Debian packages are missing and sudo refused: ${absent[*]}" "$by_hand"
    fi
    # The lists of a fresh machine are empty or out of date; without network they may still name what is in the cache.
    apt update || say "  the package lists could not be refreshed; trying with the old ones"
    apt install -y --no-install-recommends "${absent[@]}" || die "Debian packages could not be installed: ${absent[*]}" "check the network and /etc/apt; $by_hand"
    mapfile -t absent < <(missing "${wanted[@]}")
    [ "${#absent[@]}" = 0 ] || die "Debian packages are still missing: ${absent[*]}" "$by_hand"
}

# ---- Python -------------------------------------------------------------------------------------------------------

usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${HOLDFAST_PYTHON:+"$HOLDFAST_PYTHON"} python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        if usable "$candidate"; then
            say "$candidate"
            return
        fi
        [ "$candidate" != "${HOLDFAST_PYTHON:-}" ] || die "HOLDFAST_PYTHON names $candidate, which is not Python 3.11 or later with venv" "name another, or unset it"
    done
    die "No Python 3.11 or later with venv was found" "Debian 12 and later have it; or set HOLDFAST_PYTHON to an interpreter"
}

pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

make_venv() { # what: run or test
    local what=$1 python extra="" want log
    if ! "$venv/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$(find_python)
        say "Making .venv with $("$python" --version)"
        "$python" -m venv --clear "$venv" || die "The Python environment $venv could not be made" "check that $root can be written and the disk is not full"
    fi
    # An editable install holds the checkout's path, so moving it counts as a change, too.
    want=$({ say "$root"; "$venv/bin/python" -c 'import sys; print(sys.version)'; cat pyproject.toml; } | sha256sum)
    # What the tests need includes what running needs.
    [ "$want" != "$(cat "$venv/holdfast-test.stamp" 2>/dev/null)" ] || return 0
    if [ "$what" = test ]; then
        extra="[test]"
    elif [ "$want" = "$(cat "$venv/holdfast-run.stamp" 2>/dev/null)" ]; then
        return 0
    fi
    say "Installing Python packages into .venv"
    log=$venv/holdfast-pip.log
    if ! pip install -e ".$extra" </dev/null >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        die "The Python packages could not be installed" "check the network (pip's output is in $log)"
    fi
    say "$want" >"$venv/holdfast-$what.stamp"
}

# ---- all of it ----------------------------------------------------------------------------------------------------

[ $# -ge 1 ] || usage
what=$1
shift
case $what in
    run) lists=(build run) ;;
    test) lists=(build run test) ;;
    *) usage ;;
esac

# Two at once in one checkout take turns; the lock must not outlive this script.
exec 9<"$root"
flock -n 9 || { say "Waiting for another start in this checkout"; flock 9; }
install_packages "${lists[@]}"
make_venv "$what"
"$venv/bin/python" -m appliance.sip.native.build 9<&- || exit 1
exec 9<&-

[ $# -eq 0 ] || exec "$@"
