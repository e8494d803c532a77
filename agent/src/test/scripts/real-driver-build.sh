#!/bin/bash
# A real driver, by hand: NVIDIA's open kernel modules, libraries and firmware from Debian's contrib and non-free repositories, compiled by
# "driver build" against the headers of Debian's kernel, in a system of its own that debootstrap makes. Takes root, a network, some 4 GB of disk
# and five minutes of two cores; nothing outside of the directory is changed.
#
#   real-driver-build.sh DIRECTORY [AGENT]     AGENT: the runnable program, packaging/target/gpu-node-agent/bin/gpu-node-agent
set -euo pipefail

root=${1:?name a directory for the system}
agent=${2:-$(dirname "$0")/../../../../packaging/target/gpu-node-agent/bin/gpu-node-agent}
suite=bookworm
mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -1 || :)
[[ -n "$mirror" ]] || { echo "real-driver-build: no repository of Debian in /etc/apt: this needs a Debian machine" >&2; exit 1; }

if [[ ! -e "$root/usr/bin/make" ]]; then
    debootstrap --variant=minbase --include=make,gcc,linux-headers-amd64,xz-utils,kmod "$suite" "$root" "$mirror"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
echo "deb $mirror $suite main contrib non-free non-free-firmware" >"$root/etc/apt/sources.list"
kernel=$(ls "$root/lib/modules" | sort -V | tail -1)

export GPU_NODE_AGENT_HOST_ROOT=$root GPU_NODE_AGENT_DRIVER_SOURCE=package GPU_NODE_AGENT_DRIVER_KERNEL_MODULE_TYPE=open
time "$agent" driver build --kernel "$kernel"
for module in "$root"/var/lib/gpu-node-agent/drivers/modules/*/*.ko; do
    echo "== ${module##*/}, $(stat -c %s "$module") bytes"
    modinfo "$module" 2>/dev/null | grep -E '^(version|license|depends|vermagic|signer):' ||
        chroot "$root" modinfo "${module#"$root"}" | grep -E '^(version|license|depends|vermagic|signer):'
done
