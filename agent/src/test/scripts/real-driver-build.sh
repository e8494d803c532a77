#!/bin/bash
# A real driver: NVIDIA's open kernel modules, libraries and firmware from Debian's contrib and non-free repositories, compiled by "driver build"
# against the headers of Debian's kernel, in a system of its own that debootstrap makes. Takes root, a network, some 4 GB of disk and five minutes of
# two cores; nothing outside of the directory is changed. The virtual machine's test runs it, too.
#
#   real-driver-build.sh DIRECTORY [AGENT [HEADERS]]
#     AGENT    the runnable program; packaging/target/gpu-node-agent/bin/gpu-node-agent
#     HEADERS  the package with the kernel's headers; linux-headers-amd64
#
# Ends with 3 when this machine cannot get Debian's packages.
set -euo pipefail

root=${1:?name a directory for the system}
agent=${2:-$(dirname "$0")/../../../../packaging/target/gpu-node-agent/bin/gpu-node-agent}
headers=${3:-linux-headers-amd64}
suite=bookworm

unavailable() {
    echo "real-driver-build: $1" >&2
    exit 3
}

mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' "Created-By: Packages" 2>/dev/null |
    awk -v suite=$suite '$1 == "Debian" && $2 == suite { print $3; exit }')
[[ -n "$mirror" ]] || unavailable "no Debian $suite among this machine's package sources"
command -v debootstrap >/dev/null || unavailable "debootstrap is not installed"

if [[ ! -e "$root/usr/bin/make" ]]; then
    debootstrap --variant=minbase --include="make,gcc,$headers,xz-utils,kmod" "$suite" "$root" "$mirror" ||
        unavailable "debootstrap of $suite with $headers failed: see $root/debootstrap/debootstrap.log"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
echo "deb $mirror $suite main contrib non-free non-free-firmware" >"$root/etc/apt/sources.list"
chroot "$root" apt-get -qq update || unavailable "the lists of $suite's packages cannot be fetched"
chroot "$root" apt-cache show nvidia-open-kernel-dkms >/dev/null 2>&1 || unavailable "$suite has no package nvidia-open-kernel-dkms"
kernel=$(ls "$root/lib/modules" | sort -V | tail -1)

export GPU_NODE_AGENT_HOST_ROOT=$root GPU_NODE_AGENT_DRIVER_SOURCE=package GPU_NODE_AGENT_DRIVER_KERNEL_MODULE_TYPE=open
time "$agent" driver build --kernel "$kernel"
for module in "$root"/var/lib/gpu-node-agent/drivers/modules/*/*.ko; do
    echo "== ${module##*/}, $(stat -c %s "$module") bytes"
    chroot "$root" modinfo "${module#"$root"}" | grep -E '^(version|license|depends|vermagic|signer|srcversion):'
done
