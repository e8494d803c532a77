#!/bin/bash
# Runs the image as a newcomer would: its launcher, its own runtime, its start-up cache, on a simulated node. Ends with 0 when all is as promised.
#
#   packaging/smoke-test.sh [FOLDER]     the folder that packaging/image.sh laid out
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
agent=${1:-$root/packaging/target/gpu-node-agent}/bin/gpu-node-agent
# Short: the sockets below it have paths of 107 bytes at most.
work=$(mktemp -d /tmp/gnaXXXXXX)
pid=
cleanup() {
    [[ -z "$pid" ]] || kill -9 "$pid" 2>/dev/null || :
    rm -rf "$work"
}
trap cleanup EXIT
fail() {
    echo "smoke test: $*" >&2
    sed 's/^/    /' "$work/out" "$work/err" >&2
    exit 1
}
# Asks for a page; bash's own sockets, because a bare machine has no curl.
page() {
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3
    cat <&3
    exec 3>&-
}
# Repeats a check, twice a second.
within() {
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < limit)) || return 1
        kill -0 "$pid" 2>/dev/null || return 1
        read -rt 0.5 <> <(:) || :
    done
}

mkdir "$work/t"
# Nothing may be unpacked to the temporary directory: the simulated node is all that may be there.
GPU_NODE_AGENT_JAVA_OPTS="-Djava.io.tmpdir=$work/t" "$agent" simulate --http-listen 127.0.0.1:0 >"$work/out" 2>"$work/err" &
pid=$!

three_lines() { [[ -e "$work/out" ]] && (($(wc -l <"$work/out") >= 3)); }
within 60 three_lines || fail "no three lines within 60 s"
port=$(sed -n '1s|^status page *http://localhost:\([0-9]*\)/$|\1|p' "$work/out")
[[ -n "$port" ]] || fail "the first line names no status page"
sed -n 2p "$work/out" | grep -q "^metrics *http://localhost:$port/metrics$" || fail "the second line names no metrics"
sed -n 3p "$work/out" | grep -q "^status .* status --address localhost:$port" || fail "the third line names no status command"

ready() { "$agent" status --address "127.0.0.1:$port" >"$work/status" 2>&1; }
within 60 ready || fail "not ready: $(cat "$work/status")"
grep -q '^GPUs *8, 8 healthy$' "$work/status" || fail "status shows no eight healthy GPUs: $(cat "$work/status")"
attributed() { page /metrics | grep -q '^DCGM_FI_DEV_GPU_TEMP{.*pod="'; }
within 60 attributed || fail "no pod in /metrics"
page / | grep -q '<html' || fail "no status page"
page /state | grep -q '"ready": true' || fail "no state"
"$agent" version | grep -q '^gpu-node-agent ' || fail "no version"
"$agent" config show >/dev/null || fail "no configuration"

[[ $(find "$work/t" -mindepth 1 -maxdepth 1 | wc -l) == 1 ]] || fail "unpacked to the temporary directory: $(ls -A "$work/t")"
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
((status == 0)) || fail "ended with $status on SIGTERM"
[[ -z $(ls -A "$work/t") ]] || fail "left behind: $(ls -A "$work/t")"
echo "smoke test: the image works"
