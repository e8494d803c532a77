#!/bin/bash
# Makes the container image from the runnable folder, as an OCI archive (a tar with an OCI layout) that every registry tool and `ctr images import` take;
# no container engine, no root, no network. The same folder, the same packages of the C library and the same time give the same bytes; only the start-up
# cache, a layer of its own, is written by a run of the agent and differs.
#
#   packaging/container/build.sh [FOLDER]   FOLDER as packaging/image.sh makes it, packaging/target/gpu-node-agent by default
#   OUT=FILE                                packaging/target/gpu-node-agent-image.tar by default
#   TAG=NAME                                gpu-node-agent:<version of the pom> by default
#   SKIP_AOT=1                              leaves the start-up cache out
#   SOURCE_DATE_EPOCH=SECONDS               the time that everything gets; that of the newest commit by default, of pom.xml without git
#
# What is below the agent is what its Java runtime and the driver's libraries load: the C library, and dash for the launcher. They are this machine's
# own files of Debian's packages, with their copyright files. There is no package manager and no other program.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$root/packaging/target/gpu-node-agent}
out=${OUT:-$root/packaging/target/gpu-node-agent-image.tar}
say() { printf '%s\n' "$*" >&2; }
fail() {
    say "container: $*"
    exit 1
}
umask 022
export LC_ALL=C.UTF-8 TZ=UTC

[[ -e "$folder/lib/gpu-node-agent.jar" ]] || fail "$folder holds no runnable agent: make it with packaging/image.sh (make container does both)"
command -v dpkg-query >/dev/null ||
    fail "the C library of the image is taken from Debian's packages, and this machine has no dpkg: build it on Debian or Ubuntu"
case $(uname -m) in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*) fail "no image for $(uname -m): x86_64 and aarch64 are built" ;;
esac
version=$(sed -n 's|^  <version>\(.*\)</version>$|\1|p' "$root/pom.xml" | head -n 1)
repository() { git -c safe.directory="$root" -C "$root" "$@" 2>/dev/null; }
revision=$(repository rev-parse HEAD || :)
if [[ -z "${SOURCE_DATE_EPOCH:-}" ]]; then
    # Without git, or in an unpacked archive of the sources: the time that pom.xml has there.
    SOURCE_DATE_EPOCH=$(repository log -1 --format=%ct || stat -c %Y "$root/pom.xml")
fi
[[ "$SOURCE_DATE_EPOCH" =~ ^[0-9]+$ ]] || fail "SOURCE_DATE_EPOCH is \"$SOURCE_DATE_EPOCH\"; write seconds since 1970"
tag=${TAG:-gpu-node-agent:$version}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
layout=$work/layout
blobs=$layout/blobs/sha256
mkdir -p "$blobs" "$work/base" "$work/agent" "$work/cache"

# Copies a file of a package under the name that it has there, links too, following the way that libraries are found by.
take() { # FILE
    local file=$1 target
    mkdir -p "$work/base$(dirname "$file")"
    target=$(readlink -f "$file")
    cp -a "$target" "$work/base$file"
    chmod go-w "$work/base$file"
}

# 1. The C library and the shell.
mkdir -p "$work"/base/{dev,proc,sys,run,tmp,etc,host,usr/bin,usr/lib}
chmod 1777 "$work/base/tmp"
packages=()
for name in ld-linux-x86-64.so.2 ld-linux-aarch64.so.1 libc.so.6 libdl.so.2 libm.so.6 libpthread.so.0 librt.so.1 libresolv.so.2 libnss_dns.so.2 libnss_files.so.2; do
    for place in /lib/x86_64-linux-gnu /lib/aarch64-linux-gnu; do
        [[ ! -e "$place/$name" ]] || take "$place/$name"
    done
done
# What the programs themselves name as their loader.
case $architecture in
amd64) mkdir -p "$work/base/lib64" && ln -s ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$work/base/lib64/ld-linux-x86-64.so.2" ;;
arm64) ln -s aarch64-linux-gnu/ld-linux-aarch64.so.1 "$work/base/lib/ld-linux-aarch64.so.1" ;;
esac
mkdir -p "$work/base/bin"
cp "$(readlink -f "$(command -v dash)")" "$work/base/bin/sh" || fail "dash is missing: apt-get install dash"
chmod 755 "$work/base/bin/sh"
owners=(libc6 dash)
# Temurin's runtime loads nothing else; one that a distribution has built may want its own libraries, such as that of C++.
while read -r library; do
    [[ "$library" != "$folder"/* && ! -e "$work/base$library" ]] || continue
    owner=$({ dpkg-query -S "$library" || dpkg-query -S "$(readlink -f "$library")"; } 2>/dev/null | head -n 1 | cut -d: -f1 || :)
    [[ -n "$owner" ]] || fail "the Java runtime loads $library, which is of no Debian package: name a JDK 25 that does without in JDK25_HOME, such as Temurin's"
    take "$library"
    [[ " ${owners[*]} " == *" $owner "* ]] || owners+=("$owner")
done < <(find "$folder/runtime" -type f \( -name '*.so' -o -path '*/bin/java' \) -exec ldd {} + 2>/dev/null |
    sed -n 's|^.* => \(/[^ ]*\) (0x.*|\1|p' | sort -u)
for package in "${owners[@]}"; do
    copyright=/usr/share/doc/$package/copyright
    [[ -e "$copyright" ]] || fail "$copyright is missing: the image brings files of $package along, and so its licence"
    mkdir -p "$work/base/usr/share/doc/$package"
    cp -L "$copyright" "$work/base$copyright"
    packages+=("$package=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null | head -n 1)")
done
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$work/base/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$work/base/etc/group"
printf 'hosts: files dns\n' >"$work/base/etc/nsswitch.conf"

# 2. The agent and its runtime. 3. The start-up cache.
home=usr/lib/gpu-node-agent
mkdir -p "$work/agent/$home" "$work/agent/usr/share/doc/gpu-node-agent"
cp -a "$folder/bin" "$folder/lib" "$folder/runtime" "$work/agent/$home/"
cp "$root/LICENSE" "$work/agent/usr/share/doc/gpu-node-agent/"
rm -f "$work/agent/$home"/lib/gpu-node-agent-*.aot
layers=(base agent)
# The runtime compares the jar's time with the one that the cache remembers, so the cache is made from the jar as it will be in the image.
touch -d "@$SOURCE_DATE_EPOCH" "$work/agent/$home/lib/gpu-node-agent.jar"
if [[ -z "${SKIP_AOT:-}" ]]; then
    "$work/agent/$home/bin/gpu-node-agent-cache" || fail "the start-up cache could not be made; SKIP_AOT=1 leaves it out"
    mkdir -p "$work/cache/$home/lib"
    mv "$work/agent/$home"/lib/gpu-node-agent-*.aot "$work/cache/$home/lib/"
    layers+=(cache)
fi
# Programs for the package's scripts, which need more than a shell.
rm -f "$work/agent/$home"/bin/gpu-node-agent-*

# Puts a file into the layout; prints its digest and its size.
blob() { # FILE
    local digest
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    [[ -e "$blobs/$digest" ]] || cp "$1" "$blobs/$digest"
    echo "$digest $(stat -c %s "$1")"
}

diff_ids= manifest_layers= history=
for layer in "${layers[@]}"; do
    find "$work/$layer" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    tar --create --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -C "$work/$layer" --transform='s|^\./||' . >"$work/$layer.tar"
    gzip -9nc "$work/$layer.tar" >"$work/$layer.tar.gz"
    read -r digest size < <(blob "$work/$layer.tar.gz")
    manifest_layers+=${manifest_layers:+,}"{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$digest\",\"size\":$size}"
    diff_ids+=${diff_ids:+,}"\"sha256:$(sha256sum "$work/$layer.tar" | cut -d' ' -f1)\""
    history+=${history:+,}"{\"created\":\"$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)\",\"created_by\":\"packaging/container/build.sh: $layer\"}"
done

created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
cat >"$work/config.json" <<END
{"created":"$created","architecture":"$architecture","os":"linux","config":{"Env":["PATH=/$home/bin:/usr/bin:/bin"],"Entrypoint":["/$home/bin/gpu-node-agent"],"Cmd":["run"],"WorkingDir":"/","ExposedPorts":{"9400/tcp":{}},"StopSignal":"SIGTERM","Labels":{"org.opencontainers.image.title":"gpu-node-agent","org.opencontainers.image.description":"Device plugin, CDI, feature labels, MIG, health and metrics of NVIDIA GPUs","org.opencontainers.image.version":"$version","org.opencontainers.image.revision":"$revision","org.opencontainers.image.created":"$created","org.opencontainers.image.licenses":"Apache-2.0","io.gpunode.base":"${packages[*]}"}},"rootfs":{"type":"layers","diff_ids":[$diff_ids]},"history":[$history]}
END
read -r config_digest config_size < <(blob "$work/config.json")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' \
    "$config_digest" "$config_size" "$manifest_layers" >"$work/manifest.json"
read -r manifest_digest manifest_size < <(blob "$work/manifest.json")
printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"architecture":"%s","os":"linux"},"annotations":{"io.containerd.image.name":"docker.io/library/%s","org.opencontainers.image.ref.name":"%s"}}]}' \
    "$manifest_digest" "$manifest_size" "$architecture" "$tag" "${tag##*:}" >"$layout/index.json"
find "$layout" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$(dirname "$out")"
tar --create --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -C "$layout" --transform='s|^\./||' . >"$out"
say "container: $out: $(($(stat -c %s "$out") / 1048576)) MiB, $tag, sha256:$manifest_digest"
for layer in "${layers[@]}"; do
    say "container: layer $layer: $(($(stat -c %s "$work/$layer.tar") / 1048576)) MiB, $(($(stat -c %s "$work/$layer.tar.gz") / 1048576)) MiB compressed"
done
