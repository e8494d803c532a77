#!/bin/sh
# Downloads container runtimes from Debian's archive and unpacks them; installs nothing.
#
#   fetch-container-tools.sh [DIRECTORY]      default: target/container-tools beside this module's pom.xml
#
# Prints the directory, which ContainerIT takes from CONTAINER_TOOLS. Beside the runtimes there is a C library that looks for others where Red Hat's
# does (libc6-amd64 of the architecture i386). Needs apt with Debian's archive in the machine's own setup and no root.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=${1:-$here/../../../target/container-tools}
mkdir -p "$root"
root=$(cd "$root" && pwd)

if [ ! -e "$root/.done" ]; then
	rm -rf "$root/debs" "$root/i386"
	mkdir -p "$root/debs" "$root/i386/lists/partial" "$root/i386/cache/archives/partial"
	(
		cd "$root/debs"
		apt-get -qq -oAPT::Sandbox::User="$(id -un)" download runc crun libyajl2 podman conmon libgpgme11 libsubid4 libassuan0 \
			libdevmapper1.02.1 libseccomp2 golang-github-containers-common >&2
	)
	for package in "$root"/debs/*.deb; do
		dpkg -x "$package" "$root"
	done
	if [ "$(dpkg --print-architecture)" = amd64 ]; then
		aptget() {
			apt-get -qq -oAPT::Architecture=i386 -oAPT::Architectures::=i386 -oDir::State::Lists="$root/i386/lists" \
				-oDir::Cache="$root/i386/cache" -oAPT::Sandbox::User="$(id -un)" "$@"
		}
		# Archives of others may have nothing for i386.
		aptget update >&2 || true
		(cd "$root/i386" && aptget download libc6-amd64 >&2)
		dpkg -x "$root"/i386/libc6-amd64_*.deb "$root/lib64-loader"
	fi
	touch "$root/.done"
fi
echo "$root"
