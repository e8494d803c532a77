#!/bin/bash
# Builds what the VM test boots: a Debian root with systemd, its kernel and initramfs, our stand-in kernel modules in two versions, the
# simulated NVML beside each, and the disk image. What is built is kept below target/, each part by what it was made from.
#
#   packaging/vm-test/build.sh            build what is missing or out of date
#   packaging/vm-test/build.sh --check    only say what is missing on this machine; ends with 0 when nothing is
#
# Needs root (debootstrap makes device nodes and changes the root directory) and no network beyond the machine's own package mirror.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$here/target
readonly suite=bookworm
readonly packages=systemd,systemd-sysv,udev,dbus,kmod,procps,libpam-systemd,busybox-static,iproute2
readonly versions="550.163.01 580.95.05"
readonly profile=4xl4

say() { printf 'vm-test: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# What is not there, one a line, each with what helps.
missing() {
    [[ $(uname -m) == x86_64 ]] || echo "an x86-64 machine (this is $(uname -m))"
    [[ $(id -u) == 0 ]] || echo "root (debootstrap needs it)"
    command -v qemu-system-x86_64 >/dev/null || echo "qemu-system-x86_64: apt-get install qemu-system-x86"
    command -v qemu-img >/dev/null || echo "qemu-img: apt-get install qemu-utils"
    command -v debootstrap >/dev/null || echo "debootstrap: apt-get install debootstrap"
    command -v mke2fs >/dev/null || echo "mke2fs: apt-get install e2fsprogs"
    command -v cpio >/dev/null || echo "cpio: apt-get install cpio"
    command -v gcc >/dev/null || echo "gcc: apt-get install gcc libc6-dev"
    command -v make >/dev/null || echo "make: apt-get install make"
    command -v python3 >/dev/null || echo "python3: apt-get install python3"
    [[ -n "$(mirror)" ]] || echo "a Debian $suite mirror among this machine's package sources"
    [[ -n "$(kernel_package)" ]] || echo "the package linux-image-cloud-amd64 of Debian $suite: apt-get update"
}

# Where this machine gets Debian's packages from.
mirror() {
    apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' "Created-By: Packages" 2>/dev/null |
        awk -v suite=$suite '$1 == "Debian" && $2 == suite { print $3; exit }'
}

# The kernel of the release, not of its security updates: NVIDIA's modules of the same release compile for it, and a correction may be ahead of them.
kernel_package() {
    apt-cache depends --no-recommends --no-suggests "linux-image-cloud-amd64/$suite" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

# One key for what a part is made from: text, and files by content.
key() {
    local text=$1
    shift
    { echo "$text"; (($# == 0)) || cat "$@"; } | sha256sum | cut -c1-16
}

# The Debian root, as debootstrap leaves it, packed: it is the slow part, and seldom changes.
debian_root() {
    local key
    key=$(key "$suite $packages")
    base=$target/root-$key.tar
    [[ ! -e $base ]] || return 0
    say "debootstrap of Debian $suite (about a minute) ..."
    rm -rf "$target/debootstrap"
    mkdir -p "$target/packages" "$target/debootstrap"
    debootstrap --variant=minbase --cache-dir="$target/packages" --include="$packages" "$suite" "$target/debootstrap" "$(mirror)" \
        >"$target/debootstrap.log" 2>&1 || die "debootstrap failed: see $target/debootstrap.log"
    local old
    for old in "$target"/root-*.tar; do rm -f "$old"; done
    # Also without what only fills the disk.
    (cd "$target/debootstrap" && rm -rf usr/share/doc/* usr/share/man/* usr/share/locale/* usr/share/info/* var/cache/apt/*.bin \
        var/lib/apt/lists/* var/cache/apt/archives/*.deb var/log/*.log debootstrap)
    tar -C "$target/debootstrap" -cf "$base.part" .
    rm -rf "$target/debootstrap"
    mv "$base.part" "$base"
}

# Kernel and headers from their packages, unpacked without their maintainer scripts (which would make an initramfs of their own).
kernel() {
    local package release common
    package=$(kernel_package)
    release=${package#linux-image-}
    kernel=$target/kernel-$release
    kernel_release=$release
    [[ ! -e $kernel ]] || return 0
    say "kernel $release and its headers ..."
    rm -rf "$target"/kernel-*
    mkdir -p "$target/packages" "$kernel.part"
    common=$(apt-cache depends "linux-headers-$release" | sed -n 's/^ *Depends: \(linux-headers-.*-common\)$/\1/p' | head -n 1)
    (cd "$target/packages" && rm -f linux-*.deb &&
        apt-get download -qq "$package" "linux-headers-$release" "$common" "linux-kbuild-6.1/$suite" 2>"$target/kernel.log") ||
        die "the kernel's packages could not be fetched: $(cat "$target/kernel.log")"
    local file
    for file in "$target"/packages/linux-*.deb; do dpkg-deb -x "$file" "$kernel.part"; done
    # The headers name their common part by an absolute path.
    echo "include $kernel/usr/src/$common/Makefile" >"$kernel.part/usr/src/linux-headers-$release/Makefile"
    mv "$kernel.part" "$kernel"
}

# Our stand-in modules: one folder per driver version, and one build that is another kernel's.
modules() {
    modules=$target/modules-$(key "$kernel_release $versions $(declare -f modules)" "$here"/modules/*)
    [[ ! -e $modules ]] || return 0
    say "stand-in modules for $versions ..."
    rm -rf "$target"/modules-*
    local headers=$kernel/usr/src/linux-headers-$kernel_release version type
    for version in $versions; do
        for type in open proprietary; do
            local folder=$modules.part/$version/$type
            mkdir -p "$folder"
            cp "$here"/modules/* "$folder"
            {
                echo "#define STANDIN_VERSION \"$version\""
                [[ $type == open ]] || echo "#define STANDIN_PROPRIETARY 1"
            } >"$folder/version.h"
            make -s -C "$headers" M="$folder" modules >"$target/modules.log" 2>&1 || die "the stand-in modules do not compile: see $target/modules.log"
            find "$folder" -mindepth 1 ! -name '*.ko' -delete
        done
    done
    # The same module for a kernel of another kind: only its version magic says so, in as many bytes. (Of the release alone a kernel with
    # symbol versions takes no notice.)
    mkdir -p "$modules.part/other-kernel"
    sed 's/ SMP preempt mod_unload modversions / SMP preempt_rt mod_unload          /' "$modules.part/550.163.01/open/nvidia.ko" >"$modules.part/other-kernel/nvidia.ko"
    mv "$modules.part" "$modules"
}

# The simulated NVML of each version.
nvml() {
    local simulator=$root/nvml-bindings/simulator
    make -s -C "$simulator" >"$target/nvml.log" 2>&1 || die "the simulator does not compile: see $target/nvml.log"
    nvml=$simulator/target/native
}

initramfs() {
    local work=$target/initramfs
    rm -rf "$work"
    mkdir -p "$work/bin" "$work/modules"
    cp "$image_root/bin/busybox" "$work/bin/busybox"
    install -m 755 "$here/guest/initramfs-init" "$work/init"
    find "$kernel/lib/modules" \( -name 'virtio*.ko' \) -exec cp {} "$work/modules/" \;
    (cd "$work" && find . | cpio --quiet -o -H newc) >"$1"
    rm -rf "$work"
}

# What each driver version installs below its own root: /opt/standin/VERSION, from where `standin-install` puts it into the system.
userspace() {
    local version branch folder program library
    for version in $versions; do
        branch=${version%%.*}
        folder=$image_root/opt/standin/$version
        mkdir -p "$folder/root/usr/lib/x86_64-linux-gnu" "$folder/root/usr/bin" "$folder/root/usr/lib/firmware/nvidia/$version"
        cp -r "$modules/$version/open" "$modules/$version/proprietary" "$folder/"
        library=$folder/root/usr/lib/x86_64-linux-gnu
        cp "$nvml/libnvidia-ml-$branch.so" "$library/libnvidia-ml.so.$version"
        ln -s "libnvidia-ml.so.$version" "$library/libnvidia-ml.so.1"
        # The profile lies beside the library that is loaded, by its real path.
        sed "s/^driver version=[^ ]*/driver version=$version kernel=\\//; s/gsp-firmware=[^ ]*/gsp-firmware=$version/" \
            "$root/nvml-bindings/simulator/src/main/profiles/$profile.conf" >"$library/nvmlsim.conf"
        for program in libcuda libnvidia-ptxjitcompiler libnvidia-cfg; do
            echo "stand-in of the driver $version" >"$library/$program.so.$version"
            ln -s "$program.so.$version" "$library/$program.so.1"
        done
        install -m 755 "$here/guest/nvidia-modprobe" "$folder/root/usr/bin/nvidia-modprobe"
        gcc -static -O2 -Wall -Wextra -o "$folder/root/usr/bin/nvidia-persistenced" "$here/guest/nvidia-persistenced.c"
        for program in nvidia-smi nvidia-debugdump; do
            printf '#!/bin/sh\necho "%s of the stand-in driver %s"\n' "$program" "$version" >"$folder/root/usr/bin/$program"
            chmod 755 "$folder/root/usr/bin/$program"
        done
        echo "stand-in firmware" >"$folder/root/usr/lib/firmware/nvidia/$version/gsp_ga10x.bin"
    done
    cp -r "$modules/other-kernel" "$image_root/opt/standin/"
}

# The GPUs of the profile, for the stand-in bus and module: address, device id, UUID, minor, model.
gpus() {
    awk '
        /^model /        { if (match($0, /name="[^"]*"/)) { model = substr($0, RSTART + 6, RLENGTH - 7) } }
        /device-id=0x/   { match($0, /device-id=0x[0-9A-F]*/); device = tolower(substr($0, RSTART + 12, 4)) }
        /^gpu /          { match($0, /pci=[^ ]*/); pci = substr($0, RSTART + 4, RLENGTH - 4); minor = $2 }
        /uuid=GPU-/      { match($0, /uuid=[^ ]*/); print pci, device, substr($0, RSTART + 5, RLENGTH - 5), minor, model }
    ' "$root/nvml-bindings/simulator/src/main/profiles/$profile.conf"
}

disk() {
    local key
    key=$(key "$(basename "$base") $kernel_release $(basename "$modules")" "$here/build.sh" "$here"/guest/* "$root/nvml-bindings/simulator/src/main/profiles/$profile.conf" \
        "$nvml"/libnvidia-ml-550.so "$nvml"/libnvidia-ml-580.so)
    image=$target/image-$key
    [[ ! -e $image ]] || return 0
    say "disk image ..."
    rm -rf "$target"/image-* "$target"/kept "$target"/root
    image_root=$target/root
    mkdir -p "$image_root" "$image.part"
    tar -C "$image_root" -xf "$base"

    # Only the modules a machine under qemu uses: depmod goes through all there are, in an emulated guest at its leisure.
    local folder
    for folder in drivers/virtio drivers/char drivers/block drivers/net/virtio_net.ko net/core fs/overlayfs fs/fuse fs/squashfs; do
        mkdir -p "$image_root/lib/modules/$kernel_release/kernel/$(dirname "$folder")"
        cp -r "$kernel/lib/modules/$kernel_release/kernel/$folder" "$image_root/lib/modules/$kernel_release/kernel/$folder"
    done
    cp "$kernel/lib/modules/$kernel_release"/modules.{order,builtin,builtin.modinfo} "$image_root/lib/modules/$kernel_release/"
    install -D -m 644 -t "$image_root/lib/modules/$kernel_release/updates" "$modules/550.163.01/open/standin_bus.ko" "$modules/550.163.01/open/nouveau.ko"
    chroot "$image_root" depmod "$kernel_release"

    gcc -static -O2 -Wall -Wextra -o "$target/guest-agent" "$here/guest/guest-agent.c"
    install -D -m 755 "$target/guest-agent" "$image_root/usr/lib/vm-test/guest-agent"
    install -m 644 "$here/guest/vm-guest.service" "$image_root/etc/systemd/system/vm-guest.service"
    install -m 755 "$here/guest/standin-install" "$image_root/usr/bin/standin-install"
    local program
    for program in hold-device crash-at ask-agent; do
        gcc -static -O2 -Wall -Wextra -o "$image_root/usr/bin/$program" "$here/guest/$program.c"
    done
    gcc -static -O2 -Wall -Wextra -pthread -o "$image_root/usr/bin/standin-kubelet" "$here/guest/standin-kubelet.c"
    install -m 644 "$here/guest/kubelet.service" "$image_root/etc/systemd/system/kubelet.service"
    mkdir -p "$image_root/var/lib/standin"
    gpus >"$image_root/var/lib/standin/gpus"
    userspace

    echo "standin_bus" >"$image_root/etc/modules-load.d/standin.conf"
    # GPUs come up when they are told to: nothing here is like an initramfs of a distribution that loads nouveau by itself.
    echo "blacklist nouveau" >"$image_root/etc/modprobe.d/standin.conf"
    echo gpu-node >"$image_root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 gpu-node\n' >"$image_root/etc/hosts"
    echo 0123456789abcdef0123456789abcdef >"$image_root/etc/machine-id"
    : >"$image_root/etc/fstab"
    ln -sf /usr/share/zoneinfo/UTC "$image_root/etc/localtime"
    # Nothing that a test does not look at: each unit is a second of an emulated machine.
    local unit
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service \
        systemd-ask-password-console.path systemd-ask-password-wall.path systemd-binfmt.service systemd-firstboot.service \
        systemd-machine-id-commit.service systemd-pcrphase.service systemd-pcrphase-initrd.service systemd-pcrphase-sysinit.service \
        systemd-pstore.service systemd-random-seed.service systemd-timesyncd.service systemd-update-utmp.service \
        systemd-update-utmp-runlevel.service systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-logind.service \
        sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount getty.target getty-static.service \
        'serial-getty@ttyS0.service' systemd-fsckd.socket ldconfig.service systemd-boot-system-token.service \
        modprobe@.service systemd-update-done.service systemd-quotacheck.service systemd-backlight@.service; do
        ln -sf /dev/null "$image_root/etc/systemd/system/$unit"
    done
    mkdir -p "$image_root/etc/systemd/system-generators"
    for unit in "$image_root"/lib/systemd/system-generators/*; do ln -sf /dev/null "$image_root/etc/systemd/system-generators/$(basename "$unit")"; done
    mkdir -p "$image_root/etc/systemd/system/sysinit.target.wants"
    ln -sf ../vm-guest.service "$image_root/etc/systemd/system/sysinit.target.wants/vm-guest.service"
    ln -sf /lib/systemd/system/multi-user.target "$image_root/etc/systemd/system/default.target"

    initramfs "$image.part/initramfs"
    cp "$kernel/boot/vmlinuz-$kernel_release" "$image.part/vmlinuz"
    echo "$kernel_release" >"$image.part/release"
    truncate -s 3G "$image.part/disk.raw"
    mke2fs -q -t ext4 -m 0 -L root -O ^metadata_csum_seed,^orphan_file -E lazy_itable_init=1,lazy_journal_init=1 -d "$image_root" "$image.part/disk.raw" 2>"$target/mke2fs.log" ||
        mke2fs -q -t ext4 -m 0 -L root -d "$image_root" "$image.part/disk.raw" || die "mke2fs failed"
    tar -C "$image_root/opt/standin" -cf "$image.part/standin.tar" .
    rm -rf "$image_root"
    mv "$image.part" "$image"
}

if [[ "${1:-}" == --check ]]; then
    absent=$(missing)
    [[ -z $absent ]] || { echo "$absent"; exit 1; }
    exit 0
fi
absent=$(missing)
[[ -z $absent ]] || die "missing on this machine:
$absent"
mkdir -p "$target"
exec 9>"$target/lock"
flock 9
debian_root
kernel
modules
nvml
disk
ln -sfn "$(basename "$image")" "$target/image"
