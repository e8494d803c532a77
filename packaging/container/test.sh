#!/bin/bash
# Unpacks the container image as a runtime does and runs it with runc, as nobody, without capabilities, with its own files read-only, on a
# simulated node. Ends with 0 when all is as promised. Needs root and runc.
#
#   packaging/container/test.sh [ARCHIVE]     packaging/target/gpu-node-agent-image.tar by default
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
archive=${1:-$root/packaging/target/gpu-node-agent-image.tar}
if [[ "$(id -u)" != 0 ]] || ! command -v runc >/dev/null; then
    echo "container test: skipped: it needs root and runc (apt-get install runc)" >&2
    exit 0
fi
work=$(mktemp -d /tmp/gnaXXXXXX)
name=gpu-node-agent-test-$$
cleanup() {
    runc --root "$work/state" delete --force "$name" >/dev/null 2>&1 || :
    rm -rf "$work"
}
trap cleanup EXIT
fail() {
    echo "container test: $*" >&2
    sed 's/^/    /' "$work"/log >&2 2>/dev/null || :
    exit 1
}
mkdir -p "$work/layout" "$work/bundle/rootfs" "$work/tmp"
chmod 755 "$work"
chmod 1777 "$work/tmp"
tar -xf "$archive" -C "$work/layout"
cd "$work/layout"

# Everything is named by its content.
for blob in blobs/sha256/*; do
    [[ "$(sha256sum "$blob" | cut -d' ' -f1)" == "${blob##*/}" ]] || fail "$blob is not what its name says"
done
digest() { sed "s/.*\"$2\":{[^}]*\"digest\":\"sha256:\([0-9a-f]*\)\".*/\1/" "$1"; }
manifest=blobs/sha256/$(sed 's/.*"manifests":\[{[^}]*"digest":"sha256:\([0-9a-f]*\)".*/\1/' index.json)
config=blobs/sha256/$(digest "$manifest" config)
for layer in $(sed 's/.*"layers"://' "$manifest" | grep -o 'sha256:[0-9a-f]*' | cut -d: -f2); do
    id=$(gzip -dc "blobs/sha256/$layer" | sha256sum | cut -d' ' -f1)
    grep -q "\"sha256:$id\"" "$config" || fail "layer $layer is not among the configuration's"
    tar -xzf "blobs/sha256/$layer" -C "$work/bundle/rootfs"
done
entrypoint=$(sed 's/.*"Entrypoint":\["\([^"]*\)"\].*/\1/' "$config")
cd "$work/bundle"

environment=
run() { contain "$entrypoint" "$@"; }
contain() { # PROGRAM ARGUMENTS: to the end
    local arguments
    arguments=$(printf ',"%s"' "$@")
    cat >config.json <<END
{"ociVersion":"1.0.0","process":{"terminal":false,"user":{"uid":65534,"gid":65534},"cwd":"/","args":[${arguments#,}],
"env":["PATH=/usr/lib/gpu-node-agent/bin:/usr/bin:/bin"$environment],"noNewPrivileges":true,"capabilities":{}},
"root":{"path":"rootfs","readonly":true},
"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/dev","type":"tmpfs","source":"tmpfs"},
{"destination":"/tmp","type":"bind","source":"$work/tmp","options":["rbind","rw"]}],
"linux":{"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"}]}}
END
    timeout 300 runc --root "$work/state" run "$name" >"$work/log" 2>&1 </dev/null
}
page() {
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3
    cat <&3
    exec 3>&-
}

if ! run version; then
    cp "$work/log" "$work/version.log"
    runc --root "$work/state" delete --force "$name" >/dev/null 2>&1 || :
    if ! contain /bin/sh -c 'exit 0'; then
        echo "container test: skipped: no container can be started here: $(tail -n 1 "$work/log")" >&2
        exit 0
    fi
    cp "$work/version.log" "$work/log"
    fail "version failed"
fi
grep -q '^gpu-node-agent ' "$work/log" || fail "no version"
run config show || fail "no configuration"

# With AOTMode=on the runtime ends where it cannot use the cache; the launcher leaves it the choice.
cache=/usr/lib/gpu-node-agent/lib/gpu-node-agent.aot
bytes=$work/bundle/rootfs/usr/lib/gpu-node-agent/lib/$(readlink "$work/bundle/rootfs$cache")
only() { # EXTRA OPTION
    environment=",\"GPU_NODE_AGENT_JAVA_OPTS=-XX:AOTCache=$cache -XX:AOTMode=on $1\""
    local status=0
    run version || status=$?
    environment=
    return "$status"
}
if [[ -e "$bytes" ]]; then
    only -XX:+VerifySharedSpaces || fail "the start-up cache is not used in the container"
    # Cut off, and gone: said by the runtime where nothing else is allowed, and done without by the launcher.
    cp "$bytes" "$work/cache"
    truncate -s 20M "$bytes"
    ! only -XX:+VerifySharedSpaces || fail "a start-up cache that is cut off is used"
    run version || fail "does not work with a start-up cache that is cut off"
    rm "$bytes"
    run version || fail "does not work without a start-up cache"
    mv "$work/cache" "$bytes"
    echo "container test: the start-up cache is used, and done without where it is damaged or missing"
else
    echo "container test: skipped the start-up cache, which this archive has none of (SKIP_AOT)"
fi

run simulate --http-listen 127.0.0.1:0 --duration 240s &
runner=$!
limit=$((SECONDS + 180))
until port=$(sed -n 's|^status page *http://localhost:\([0-9]*\)/$|\1|p' "$work/log" 2>/dev/null) && [[ -n "$port" ]] &&
    page /readyz | grep -q ' 200 ' && (($(page /metrics | grep -c '^DCGM_FI_DEV_GPU_TEMP{') == 8)); do
    ((SECONDS < limit)) || fail "not ready, with metrics of eight GPUs, within 180 s"
    read -rt 0.3 <> <(:) || :
done
runc --root "$work/state" kill "$name" TERM
status=0
wait "$runner" || status=$?
((status == 0)) || fail "ended with $status on SIGTERM"
[[ -z $(find "$work/bundle/rootfs" -newer "$work/bundle/config.json" -type f) ]] || fail "wrote to its own files"
echo "container test: the image works"
