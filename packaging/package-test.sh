#!/bin/bash
# Tests the packages of packaging/package.sh as a node meets them: each case in a copy of this machine's own root (an overlay in memory, thrown away
# afterwards), without network and without systemd, with /tmp and /var/tmp mounted noexec. Needs root; without it only the folder of the tar is tried.
#
#   packaging/package-test.sh [CASE...]     all cases but `reproducible`, which makes the packages once more, unless some are named
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dist=$root/packaging/target/dist
target=$root/packaging/target/package-test
export LC_ALL=C.UTF-8
cases=(lint sums tar deb_life deb_first_contact deb_bad_places deb_wrong_architecture damage rpm_life)

fail() {
    echo "package test: $case: $*" >&2
    [[ ! -s "$target/log" ]] || tail -n 30 "$target/log" | sed 's/^/    /' >&2
    exit 1
}

# --- inside ---------------------------------------------------------------------------------------------------------------------------------------

# A copy of this machine's root in $target/node, for the rest of the process, which has mounts and a network of its own. $1: its size, as for tmpfs.
node() {
    local layers=$target/layers name
    mkdir -p "$layers" "$target/node"
    mount -t tmpfs -o "size=${1:-512m}" tmpfs "$layers"
    mkdir "$layers/upper" "$layers/work"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$target/node"
    mount -t proc proc "$target/node/proc"
    mount -t tmpfs tmpfs "$target/node/run"
    mount -t tmpfs -o noexec tmpfs "$target/node/tmp"
    mount -t tmpfs -o noexec tmpfs "$target/node/var/tmp"
    mount -t tmpfs tmpfs "$target/node/dev"
    for name in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "$target/node/dev/${name%:*}" c 1 "${name#*:}"
    done
    mkdir "$target/node/tmp/packages"
    mount --bind "$dist" "$target/node/tmp/packages"
    ip link set lo up 2>/dev/null || :
    # What this machine has of an agent is not the node's.
    rm -rf "$target"/node/{etc,usr/lib,var/lib,var/cache}/gpu-node-agent "$target/node/usr/bin/gpu-node-agent" \
        "$target"/node/var/lib/kubelet "$target"/node/etc/kubernetes
    # What was there before is told from what the package leaves.
    before=$(left)
}

# Runs in the node; what it says is kept for a failure.
in_node() { PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$target/node" "$@" >"$target/log" 2>&1; }

# What differs from this machine's root, less what package managers keep for themselves.
left() {
    (cd "$target/layers/upper" && find . -mindepth 1 ! -type d) |
        grep -Ev '^\./(var/lib/(dpkg|rpm)|var/log|var/cache/(man|ldconfig|debconf)|usr/lib/sysimage|root/\.rpmdb)/|/(ld\.so\.cache|\.rpm\.lock)$' | sort || :
}

left_behind() { comm -13 <(echo "$before") <(left); }

is_gone() { # PATH...
    local path
    for path in "$@"; do
        [[ ! -e "$target/node$path" && ! -L "$target/node$path" ]] || fail "$path is still there"
    done
}

is_there() {
    local path
    for path in "$@"; do
        [[ -e "$target/node$path" ]] || fail "$path is missing"
    done
}

# The installed agent works, from its cache, with nothing unpacked to a temporary directory.
works() {
    in_node env GPU_NODE_AGENT_JAVA_OPTS="-XX:AOTCache=/usr/lib/gpu-node-agent/lib/gpu-node-agent.aot -XX:AOTMode=on" gpu-node-agent version ||
        fail "does not start from its cache"
    in_node gpu-node-agent config check /etc/gpu-node-agent/config.yaml || fail "the configuration that was installed is refused"
    # It serves signals from when it says that it has started; before that, SIGTERM ends it as it ends any Java machine.
    PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$target/node" gpu-node-agent run --http-listen 127.0.0.1:9499 --kubernetes-api off --log-level info >"$target/log" 2>&1 &
    local agent=$! limit=$((SECONDS + 90)) status=0
    until grep -q ' started' "$target/log"; do
        kill -0 "$agent" 2>/dev/null && ((SECONDS < limit)) || fail "the agent did not start within 90 s"
        read -rt 0.2 <> <(:) || :
    done
    kill -TERM "$agent"
    wait "$agent" || status=$?
    # On a busy machine something may be late; the agent says so, and ends with 1 all the same.
    ((status == 0)) || { ((status == 1)) && grep -q 'not everything ended in order' "$target/log"; } || fail "the agent ended with $status on SIGTERM"
    [[ -z "$(find "$target/node/tmp" "$target/node/var/tmp" -mindepth 1 -not -path "$target/node/tmp/packages*")" ]] || fail "something is left in /tmp or /var/tmp"
}

# A package like the one that was built, with another version and one more line in the program's folder.
newer_deb() { # VERSION
    local tree=$target/newer
    rm -rf "$tree"
    dpkg-deb -R "$dist"/*.deb "$tree"
    sed -i "s/^Version: .*/Version: $1/" "$tree/DEBIAN/control"
    ln -sfn /var/cache/gpu-node-agent/gpu-node-agent-0123456789abcdef.aot "$tree/usr/lib/gpu-node-agent/lib/gpu-node-agent.aot"
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "$target/newer.deb" >/dev/null
    rm -rf "$tree"
    cp "$target/newer.deb" "$target/node/tmp/newer.deb"
}

# What an agent leaves for its next start, and what somebody else wrote beside it.
leave_files() {
    mkdir -p "$target/node/run/cdi" "$target/node/etc/kubernetes/node-feature-discovery/features.d" "$target/node/var/lib/kubelet/device-plugins"
    echo '{"kind": "nvidia.com/gpu"}' >"$target/node/run/cdi/gpu-node-agent.nvidia.com-gpu.json"
    echo '{"kind": "k8s.device-plugin.nvidia.com/gpu"}' >"$target/node/run/cdi/k8s.device-plugin.nvidia.com-gpu.json"
    echo '{"kind": "other.com/nic"}' >"$target/node/run/cdi/other.json"
    echo nvidia.com/gpu.count=8 >"$target/node/etc/kubernetes/node-feature-discovery/features.d/gfd"
    : >"$target/node/var/lib/kubelet/device-plugins/gpu-node-agent-nvidia.com_gpu-0-0.sock"
    echo journal >"$target/node/var/lib/gpu-node-agent/mig.journal"
}

case_deb_life() {
    node
    in_node sh -c 'dpkg -i /tmp/packages/*.deb' || fail "does not install"
    echo "package test: deb: installed in $((SECONDS - started)) s, $(du -sm --apparent-size "$target/node/usr/lib/gpu-node-agent" | cut -f1) MiB and" \
        "$(du -sm "$target/node/var/cache/gpu-node-agent" | cut -f1) MiB of start-up cache"
    works
    in_node dpkg -V gpu-node-agent || fail "dpkg finds other files than it installed"
    [[ -L "$target/node/usr/bin/gpu-node-agent" ]] || fail "/usr/bin/gpu-node-agent is no link"

    # An upgrade keeps what the administrator wrote, and the state; the cache is the new version's.
    leave_files
    echo 'log: {level: warn}' >>"$target/node/etc/gpu-node-agent/config.yaml"
    newer_deb 99.0-1
    in_node dpkg -i /tmp/newer.deb || fail "does not upgrade"
    grep -q 'level: warn' "$target/node/etc/gpu-node-agent/config.yaml" || fail "the upgrade took the configuration away"
    is_there /var/lib/gpu-node-agent/mig.journal /run/cdi/gpu-node-agent.nvidia.com-gpu.json /var/cache/gpu-node-agent/gpu-node-agent-0123456789abcdef.aot
    [[ "$(ls "$target/node/var/cache/gpu-node-agent")" == gpu-node-agent-0123456789abcdef.aot ]] || fail "the cache of the version before is kept"

    # An upgrade that fails before it began leaves everything at work: the new preinst refuses.
    dpkg-deb -R "$target/newer.deb" "$target/broken"
    sed -i 's/^Version: .*/Version: 100.0-1/' "$target/broken/DEBIAN/control"
    printf '#!/bin/sh\nexit 1\n' >"$target/broken/DEBIAN/preinst"
    chmod 755 "$target/broken/DEBIAN/preinst"
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$target/broken" "$target/node/tmp/broken.deb" >/dev/null
    rm -rf "$target/broken"
    ! in_node dpkg -i /tmp/broken.deb || fail "a package whose preinst fails installs"
    in_node dpkg -s gpu-node-agent
    grep -q '^Version: 99.0-1$' "$target/log" && grep -q '^Status: install ok installed$' "$target/log" || fail "a failed upgrade leaves no sound package"
    rm "$target/node/tmp/broken.deb" "$target/node/tmp/newer.deb"
    works

    # Removal takes what the agent made, and leaves configuration, state and what is not the agent's.
    leave_files
    in_node dpkg -r gpu-node-agent || fail "does not go"
    is_gone /usr/bin/gpu-node-agent /usr/lib/gpu-node-agent /var/cache/gpu-node-agent /run/gpu-node-agent \
        /run/cdi/gpu-node-agent.nvidia.com-gpu.json /run/cdi/k8s.device-plugin.nvidia.com-gpu.json \
        /etc/kubernetes/node-feature-discovery/features.d/gfd /var/lib/kubelet/device-plugins/gpu-node-agent-nvidia.com_gpu-0-0.sock
    is_there /etc/gpu-node-agent/config.yaml /var/lib/gpu-node-agent/mig.journal /run/cdi/other.json

    # Purging takes those, too, and nothing is left.
    in_node dpkg -P gpu-node-agent || fail "is not purged"
    is_gone /etc/gpu-node-agent /var/lib/gpu-node-agent
    [[ -z "$(left_behind)" ]] || fail "left behind: $(left_behind)"

    # Purging what is installed, at once; the files of NVIDIA's own device plugin, which has hooks, stay.
    in_node sh -c 'dpkg -i /tmp/packages/*.deb' || fail "does not install again"
    leave_files
    echo '{"containerEdits": {"hooks": []}}' >"$target/node/run/cdi/k8s.device-plugin.nvidia.com-gpu.json"
    in_node dpkg -P gpu-node-agent || fail "is not purged at once"
    is_there /run/cdi/k8s.device-plugin.nvidia.com-gpu.json
    [[ -z "$(left_behind)" ]] || fail "left behind: $(left_behind)"
}

# What somebody meets who has just installed it, on a machine that has no GPU, no kubelet and no systemd that runs.
case_deb_first_contact() {
    node
    in_node sh -c 'dpkg -i /tmp/packages/*.deb' || fail "does not install"
    local command page holder
    # Every command has its help and its page.
    in_node gpu-node-agent --help || fail "there is no help"
    local commands
    mapfile -t commands < <(sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' "$target/log")
    ((${#commands[@]} > 8)) || fail "the help lists no commands"
    for command in "${commands[@]}"; do
        [[ "$command" != help ]] || continue
        in_node gpu-node-agent "$command" --help || fail "$command has no help"
        # Small images of Debian keep no manual pages of any package.
        grep -rqs 'path-exclude.*/man' /etc/dpkg/dpkg.cfg.d || is_there "/usr/share/man/man1/gpu-node-agent-$command.1.gz"
        if command -v man >/dev/null; then
            in_node man -P cat "gpu-node-agent-$command" || fail "man does not find gpu-node-agent-$command"
        fi
    done
    # Completion, as bash loads it: of commands, and of an option's values.
    in_node bash -c '. /usr/share/bash-completion/completions/gpu-node-agent; COMP_WORDS=(gpu-node-agent pre); COMP_CWORD=1
        _complete_gpu-node-agent gpu-node-agent pre gpu-node-agent; printf "%s\n" "${COMPREPLY[@]}"' || fail "completion ends in an error"
    grep -q '^preflight *$' "$target/log" || fail "completion does not know preflight"
    # What is typed wrongly is told with what was meant, and the exit status of wrong usage.
    refused 2 'unknown command "statu"; did you mean status?' gpu-node-agent statu
    refused 2 'unknown flag --http-listn; did you mean --http-listen?' gpu-node-agent run --http-listn :9400
    in_node sh -c 'echo "sampling: {intervall: 3s}" >/tmp/wrong.yaml'
    refused 2 'sampling.intervall.*did you mean "sampling.interval"' gpu-node-agent config check /tmp/wrong.yaml
    refused 2 'sampling.intervall.*did you mean "sampling.interval"' gpu-node-agent run --config /tmp/wrong.yaml
    refused 3 'gpu-node-agent' gpu-node-agent status
    # What is missing, with remedies; that there is no systemd is one of the notes.
    refused 1 '^[0-9]* of [0-9]* checks passed' gpu-node-agent preflight
    grep -q 'not run by systemd' "$target/log" || fail "preflight does not say that there is no systemd"
    # The port is held by somebody else: who, and what to do.
    if in_node bash -c 'command -v python3'; then
        port_is_held
    else
        echo "package test: $case: skipped: who holds a port, for want of python3 here" >&2
    fi
    # A second agent beside the first.
    PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$target/node" gpu-node-agent run --http-listen 127.0.0.1:9499 --kubernetes-api off >"$target/said" 2>&1 &
    holder=$!
    until grep -q ' started' "$target/said"; do
        kill -0 "$holder" || fail "the first agent ended"
        read -rt 0.2 <> <(:) || :
    done
    refused 1 'another gpu-node-agent runs on this node' gpu-node-agent run --http-listen 127.0.0.1:9497 --kubernetes-api off
    in_node gpu-node-agent-cleanup 2>/dev/null || in_node /usr/lib/gpu-node-agent/bin/gpu-node-agent-cleanup || fail "the cleanup fails beside an agent that runs"
    grep -q 'nothing is removed: an agent runs' "$target/log" || fail "the cleanup does not say that an agent runs"
    kill -TERM "$holder"
    wait "$holder" || :
}

port_is_held() {
    local holder
    mkfifo "$target/ready"
    PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$target/node" python3 -c 'import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 9498)); s.listen(); print("listens", flush=True); sys.stdin.read()' <"$target/ready" >"$target/said" &
    holder=$!
    exec 9>"$target/ready"
    until grep -q listens "$target/said" 2>/dev/null; do
        kill -0 "$holder" || fail "the holder of the port ended"
        read -rt 0.1 <> <(:) || :
    done
    refused 1 "127.0.0.1:9498 is held by python3.*process $holder" gpu-node-agent run --http-listen 127.0.0.1:9498 --kubernetes-api off
    exec 9>&-
}

refused() { # STATUS PATTERN COMMAND...
    local want=$1 pattern=$2 status=0
    shift 2
    in_node timeout 60 "$@" || status=$?
    ((status == want)) || fail "$* ended with $status, not $want"
    grep -q -- "$pattern" "$target/log" || fail "$* does not say: $pattern"
}

case_deb_bad_places() {
    # No room for the files: nothing is left of them.
    node 45m
    ! in_node sh -c 'dpkg -i /tmp/packages/*.deb' || fail "installs where there is no room"
    grep -q 'No space left on device' "$target/log" || fail "does not say that there is no room"
    is_gone /usr/bin/gpu-node-agent /usr/lib/gpu-node-agent/lib/gpu-node-agent.jar /etc/gpu-node-agent/config.yaml
    # Room for the files and not for the cache: installed, and said.
    mount -o remount,size=512m "$target/layers"
    mkdir -p "$target/node/var/cache/gpu-node-agent"
    mount -t tmpfs -o size=20m tmpfs "$target/node/var/cache/gpu-node-agent"
    in_node sh -c 'dpkg -i /tmp/packages/*.deb' || fail "does not install where there is no room for the cache"
    grep -q 'gpu-node-agent-cache: .*the agent works without' "$target/log" || fail "does not say that there is no cache"
    in_node gpu-node-agent version || fail "does not work without a cache"
    [[ -z "$(ls -A "$target/node/var/cache/gpu-node-agent")" ]] || fail "left a part of a cache"
    in_node dpkg -P gpu-node-agent || fail "is not purged"
    umount "$target/node/var/cache/gpu-node-agent"
    # A /usr that cannot be written to: said, and nothing is left.
    mount --bind "$target/node/usr" "$target/node/usr"
    mount -o remount,ro,bind "$target/node/usr"
    ! in_node sh -c 'dpkg -i /tmp/packages/*.deb' || fail "installs on a /usr that is read-only"
    grep -q 'Read-only file system' "$target/log" || fail "does not say that /usr is read-only"
    is_gone /etc/gpu-node-agent/config.yaml
}

case_deb_wrong_architecture() {
    node
    local tree=$target/other
    dpkg-deb -R "$dist"/*.deb "$tree"
    sed -i 's/^Architecture: .*/Architecture: s390x/' "$tree/DEBIAN/control"
    dpkg-deb --root-owner-group -Znone --build "$tree" "$target/node/tmp/other.deb" >/dev/null
    rm -rf "$tree"
    ! in_node dpkg -i /tmp/other.deb || fail "another architecture's package installs"
    grep -q 'does not match system' "$target/log" || fail "does not say that the architecture is another one"
    local other=aarch64
    [[ "$(uname -m)" != aarch64 ]] || other=x86_64
    ! ARCH=$other "$root/packaging/package.sh" "$target/other-arch" >"$target/log" 2>&1 || fail "packages for $other are made here"
    grep -q "has no jmods for $other" "$target/log" || fail "does not say why there are no packages for $other"
}

case_damage() {
    node
    in_node sh -c 'dpkg -i /tmp/packages/*.deb' || fail "does not install"
    local cache check=/usr/lib/gpu-node-agent/bin/gpu-node-agent-cache sum
    cache=$(find "$target/node/var/cache/gpu-node-agent" -name '*.aot')
    [[ -n "$cache" ]] || fail "there is no cache"
    in_node "$check" --check || fail "a sound cache is refused"
    sum=$(stat -c %i "$cache")
    # Cut off: the agent works without, and the check makes it anew.
    truncate -s 20M "$cache"
    in_node gpu-node-agent version || fail "does not work with a cache that is cut off"
    in_node "$check" --check || fail "does not make a cache that was cut off"
    grep -q 'is damaged: it is made anew' "$target/log" || fail "does not say that the cache is damaged"
    [[ "$(stat -c %i "$cache")" != "$sum" ]] || fail "the damaged cache is still there"
    # Damaged in the middle, which the runtime does not notice by itself.
    sum=$(stat -c %i "$cache")
    dd if=/dev/zero of="$cache" bs=1M seek=2 count=30 conv=notrunc status=none
    in_node "$check" --check || fail "does not make a damaged cache anew"
    [[ "$(stat -c %i "$cache")" != "$sum" ]] || fail "the damaged cache is still there"
    works
    # A runtime that is not whole is told, with what to do.
    rm "$target/node/usr/lib/gpu-node-agent/runtime/bin/java"
    ! in_node gpu-node-agent version || fail "works without a runtime"
    grep -q 'reinstall the package' "$target/log" || fail "does not say what to do about a runtime that is missing"
}

case_rpm_life() {
    node
    # Debian's rpm knows nothing of what is installed here: dependencies cannot be asked for.
    in_node sh -c 'rpm -i --nodeps /tmp/packages/*.rpm' || fail "does not install"
    works
    in_node rpm -V --nodeps gpu-node-agent || fail "rpm finds other files than it installed"
    leave_files
    echo 'log: {level: warn}' >>"$target/node/etc/gpu-node-agent/config.yaml"
    in_node sh -c 'rpm -U --force --nodeps /tmp/packages/*.rpm' || fail "does not upgrade"
    grep -q 'level: warn' "$target/node/etc/gpu-node-agent/config.yaml" || fail "the upgrade took the configuration away"
    is_there /var/lib/gpu-node-agent/mig.journal /run/cdi/gpu-node-agent.nvidia.com-gpu.json
    works
    in_node rpm -e gpu-node-agent || fail "does not go"
    is_gone /usr/bin/gpu-node-agent /usr/lib/gpu-node-agent /var/cache/gpu-node-agent /run/gpu-node-agent /run/cdi/gpu-node-agent.nvidia.com-gpu.json
    is_there /etc/gpu-node-agent/config.yaml.rpmsave /var/lib/gpu-node-agent/mig.journal
    rm -r "$target/node/etc/gpu-node-agent" "$target/node/var/lib/gpu-node-agent"
    [[ -z "$(left_behind)" ]] || fail "left behind: $(left_behind)"
}

# --- outside --------------------------------------------------------------------------------------------------------------------------------------

case_reproducible() {
    (umask 077 && TZ=Asia/Tokyo LANG=C "$root/packaging/package.sh" "$target/again") >"$target/log" 2>&1 || fail "the second build failed"
    [[ "$(ls "$dist")" == "$(ls "$target/again")" ]] || fail "the packages in $dist are of another commit, or of changed sources: make them again"
    cmp "$dist/SHA256SUMS" "$target/again/SHA256SUMS" >"$target/log" 2>&1 ||
        fail "two builds differ: $(diff "$dist/SHA256SUMS" "$target/again/SHA256SUMS")"
    rm -rf "$target/again"
}

case_lint() {
    local page
    if command -v lintian >/dev/null; then
        lintian --allow-root --fail-on error,warning "$dist"/*.deb >"$target/log" 2>&1 || fail "lintian"
    else
        echo "package test: skipped lintian, which is not installed"
    fi
    if command -v rpmlint >/dev/null && ls "$dist"/*.rpm >/dev/null 2>&1; then
        rpmlint -c "$root/packaging/rpm/rpmlint.toml" "$dist"/*.rpm >"$target/log" 2>&1 || fail "rpmlint"
        grep -q ' 0 errors, 0 warnings' "$target/log" || fail "rpmlint"
    else
        echo "package test: skipped rpmlint, which is not installed, or there is no .rpm"
    fi
    if command -v man >/dev/null; then
        for page in "$root"/packaging/target/package/made/man/*.gz; do
            MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>"$target/log" >/dev/null || fail "man refuses $page"
            [[ ! -s "$target/log" ]] || fail "man warns of $page"
        done
    fi
    if command -v zsh >/dev/null; then
        zsh -n "$root/packaging/target/package/made/completion.zsh" 2>"$target/log" || fail "zsh refuses its completion"
    fi
    bash -n "$root/packaging/target/package/made/completion.bash" 2>"$target/log" || fail "bash refuses its completion"
}

case_sums() {
    (cd "$dist" && sha256sum --quiet -c SHA256SUMS) >"$target/log" 2>&1 || fail "the sums are wrong"
    local sbom library
    sbom=$(echo "$dist"/*.cdx.json)
    for library in 'OpenJDK runtime' netty-transport grpc-netty protobuf-java jna picocli snakeyaml-engine; do
        grep -q "\"name\" : \"$library\"" "$sbom" || fail "$sbom does not list $library"
    done
}

case_tar() {
    local folder=$target/folder
    mkdir "$folder"
    tar -xzf "$dist"/*.tar.gz -C "$folder" --strip-components=1
    "$folder/bin/gpu-node-agent" version >"$target/log" 2>&1 || fail "does not start without a cache"
    "$folder/bin/gpu-node-agent-cache" >"$target/log" 2>&1 || fail "makes no cache"
    # From another place, by a link, and by somebody who owns nothing of it.
    mv "$folder" "$target/moved folder"
    ln -s "moved folder/bin/gpu-node-agent" "$target/agent"
    "$target/agent" version >"$target/log" 2>&1 || fail "does not start from a folder that was moved"
    "$root/packaging/smoke-test.sh" "$target/moved folder" >"$target/log" 2>&1 || fail "the smoke test fails in a folder that was moved"
    rm -rf "$target/moved folder" "$target/agent"
}

# Whether a copy of this machine's root can be made here: some containers have root that may not mount.
has_own_root() {
    [[ "$(id -u)" == 0 ]] && unshare --mount --net --pid --fork --kill-child --propagation private "$0" --inside own_root 2>/dev/null
}
case_own_root() { node 1m; }

case=start
[[ -e "$dist/SHA256SUMS" ]] || fail "no packages in $dist: run 'make package' first"
if [[ "${1:-}" == --inside ]]; then
    case=$2 started=$SECONDS
    "case_$case"
    exit
fi
(($# == 0)) || cases=("$@")
# One at a time: it has one place to work in.
mkdir -p "$root/packaging/target"
exec 8>"$root/packaging/target/package-test.lock"
flock 8
for case in "${cases[@]}"; do
    declare -F "case_$case" >/dev/null || fail "no such case; there are: $(declare -F | sed -n 's/^declare -f case_//p' | xargs)"
    rm -rf "$target"
    mkdir -p "$target"
    started=$SECONDS
    case $case in
    deb_* | damage | rpm_*)
        if ! has_own_root; then
            echo "package test: skipped $case: it needs root that may mount, for a root of its own"
            continue
        fi
        if [[ $case == rpm_* ]] && ! { command -v rpm && ls "$dist"/*.rpm; } >/dev/null 2>&1; then
            echo "package test: skipped $case: there is no .rpm, or rpm is not installed"
            continue
        fi
        # What is started in there ends with it.
        timeout 900 unshare --mount --net --pid --fork --kill-child --propagation private "$0" --inside "$case" 8>&- || {
            status=$?
            ((status != 124)) || fail "not at its end after 15 minutes"
            exit "$status"
        }
        ;;
    *) "case_$case" ;;
    esac
    echo "package test: $case: good ($((SECONDS - started)) s)"
done
rm -rf "$target"
