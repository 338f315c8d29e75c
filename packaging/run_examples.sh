#!/usr/bin/env bash
# Runs the built examples against each other: a host, a member that greets, a file that is sent, a service that is
# browsed. In a network namespace of its own with nothing but loopback, if that may be made.
#
#   packaging/run_examples.sh DIR_WITH_PROGRAMS
set -euo pipefail
programs=$(realpath "$1")

# Nothing leaves the machine, and nobody else's groups are seen.
if [[ -z ${MUSTER_EXAMPLES_INSIDE:-} ]]; then
    export MUSTER_EXAMPLES_INSIDE=1
    if unshare --map-root-user --net true 2>/dev/null; then
        exec unshare --map-root-user --net -- sh -c 'ip link set lo up; exec "$@"' sh "$0" "$programs"
    fi
    echo "no network namespace of our own can be made: running on the machine's network"
fi

work=$(mktemp -d)
running=()
cleanup() {
    for process in "${running[@]}"; do kill "$process" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT
patience=20  # seconds for anything; what takes longer than a moment is broken

fail() {
    echo "run_examples: $*"
    for log in "$work"/*.log; do echo "--- ${log##*/}"; cat "$log"; done
    exit 1
}

start() {  # name, program, arguments: runs in the background with a device of its own
    local name=$1
    shift
    mkdir -p "$work/$name"
    (cd "$work/$name" && MUSTER_HOME="$work/$name/home" exec "$programs/$1" "${@:2}") >"$work/$name.log" 2>&1 &
    running+=($!)
}

wait_for() {  # name, text: until the program has printed it
    local end=$((SECONDS + patience))
    until grep -qsF -- "$2" "$work/$1.log"; do
        if ((SECONDS >= end)); then fail "$1 did not print '$2'"; fi
        sleep 0.05
    done
}

wait_end() {  # process, name
    local end=$((SECONDS + patience))
    while kill -0 "$1" 2>/dev/null; do
        if ((SECONDS >= end)); then fail "$2 did not end"; fi
        sleep 0.05
    done
}

start host host examples
host=${running[-1]}
wait_for host "hosting on UDP port"
start anna join examples anna
anna=${running[-1]}
wait_for anna "thanks for 5 octets"
wait_for host "anna joined"

head -c 3000000 /dev/urandom >"$work/report.bin"
start sender send_file "$work/report.bin" examples
wait "${running[-1]}" || fail "send_file failed"
wait_for host "stored"
cmp "$work/report.bin" "$work/host/report.bin" || fail "another file arrived"

start echo stream host lines
printf 'one\ntwo\n' | MUSTER_HOME="$work/lines" timeout "$patience" "$programs/stream" join lines >"$work/lines.log" 2>&1 ||
    fail "stream join failed"
wait_for lines "you said: two"

start listener callbacks examples
listener=${running[-1]}
wait_for listener "heard thanks for 5 octets"

start doorman admit sesame guarded
wait_for doorman "hosting on UDP port"
start stranger join guarded stranger
wait_for doorman "asks to join"
wait_for stranger "that is not the password"

start browser browse _example._udp "An example" 4711
wait_for browser "+ An example"

start watcher interfaces
wait_for watcher "lo: loopback, on, carrier, addressed"

kill -INT "$host"
wait_for anna "closed: the host was stopped"
wait_end "$anna" join
wait_end "$listener" callbacks
wait_end "$host" host
