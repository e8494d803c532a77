#!/bin/sh
# Downloads NVIDIA's own libnvidia-ml.so.1 of two driver branches from Debian's non-free archive and unpacks it; installs nothing.
#
#   fetch-real-nvml.sh [DIRECTORY]      default: target/real-nvml beside this module's pom.xml
#
# Prints one directory per branch. RealLibraryTest takes them from NVML_REAL_LIBRARIES, separated by colons.
# Needs apt with a Debian mirror in the machine's own setup (or DEBIAN_MIRROR) and no root.
#
#   NVML_REAL_LIBRARIES=$(fetch-real-nvml.sh | paste -sd:) mvn -pl nvml-bindings -am test -Dtest=RealLibraryTest -Dsurefire.failIfNoSpecifiedTests=false
#
# As root put in-private-dev.sh before mvn: NVML's init creates /dev/nvidiactl even where there is no driver.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=${1:-$here/../../../target/real-nvml}
mkdir -p "$root"
root=$(cd "$root" && pwd)

mirror=${DEBIAN_MIRROR:-$(apt-get indextargets 'Identifier: Packages' 'Label: Debian' --format '$(REPO_URI)' | sort -u | head -1)}
if [ -z "$mirror" ]; then
	echo "no Debian mirror in this machine's apt setup: set DEBIAN_MIRROR" >&2
	exit 1
fi
architecture=$(dpkg --print-architecture)

for suite in bookworm trixie; do
	apt=$root/$suite.apt
	unpacked=$root/$suite
	if [ ! -e "$unpacked/.done" ]; then
		rm -rf "$unpacked"
		mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs" "$unpacked"
		printf 'deb %s %s non-free\n' "$mirror" "$suite" >"$apt/sources.list"
		aptget() {
			apt-get -qq -oDir::Etc::sourcelist="$apt/sources.list" -oDir::Etc::sourceparts=/dev/null \
				-oDir::State::Lists="$apt/lists" -oDir::Cache="$apt/cache" -oAPT::Architecture="$architecture" \
				-oAPT::Sandbox::User="$(id -un)" "$@"
		}
		aptget update >&2
		(cd "$apt/debs" && aptget download libnvidia-ml1 >&2)
		for package in "$apt"/debs/*.deb; do
			dpkg-deb -x "$package" "$unpacked"
		done
		rm -rf "$apt"
		: >"$unpacked/.done"
	fi
	echo "$unpacked"
done
