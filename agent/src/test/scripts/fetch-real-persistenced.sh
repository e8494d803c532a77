#!/bin/sh
# Downloads the real nvidia-persistenced from Debian's contrib archive, with the library that it calls, and unpacks them; installs nothing.
#
#   fetch-real-persistenced.sh [DIRECTORY]      default: target/real-persistenced beside this module's pom.xml
#
# Prints the directory, which RealPersistencedIT takes from REAL_PERSISTENCED. Needs apt with a Debian mirror in the machine's own setup (or
# DEBIAN_MIRROR) and no root.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=${1:-$here/../../../target/real-persistenced}
mkdir -p "$root"
root=$(cd "$root" && pwd)

if [ ! -e "$root/.done" ]; then
	mirror=${DEBIAN_MIRROR:-$(apt-get indextargets 'Identifier: Packages' 'Label: Debian' --format '$(REPO_URI)' | sort -u | head -1)}
	if [ -z "$mirror" ]; then
		echo "no Debian mirror in this machine's apt setup: set DEBIAN_MIRROR" >&2
		exit 1
	fi
	apt=$root/.apt
	rm -rf "$apt"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
	printf 'deb %s bookworm main contrib non-free\n' "$mirror" >"$apt/sources.list"
	aptget() {
		apt-get -qq -oDir::Etc::sourcelist="$apt/sources.list" -oDir::Etc::sourceparts=/dev/null \
			-oDir::State::Lists="$apt/lists" -oDir::Cache="$apt/cache" -oAPT::Architecture="$(dpkg --print-architecture)" \
			-oAPT::Sandbox::User="$(id -un)" "$@"
	}
	aptget update >&2
	(cd "$apt/debs" && aptget download nvidia-persistenced libtirpc3 libnvidia-cfg1 >&2)
	for package in "$apt"/debs/*.deb; do
		dpkg-deb -x "$package" "$root"
	done
	rm -rf "$apt"
	: >"$root/.done"
fi
echo "$root"
