#!/bin/sh
# Runs a command as root with a /dev of its own, which vanishes with it.
#
#   in-private-dev.sh COMMAND...
#
# NVML's init, when it runs as root, creates /dev/nvidiactl even where there is no driver. Another user needs no such thing. Sets PRIVATE_DEV, so that
# RealLibraryTest knows.
set -eu
exec unshare --mount sh -c '
	stage=$(mktemp -d)
	mount -t tmpfs -o mode=755 tmpfs "$stage"
	for node in null zero full random urandom tty; do
		cp -a "/dev/$node" "$stage/"
	done
	mkdir "$stage/shm"
	ln -s /proc/self/fd "$stage/fd"
	mount --move "$stage" /dev
	rmdir "$stage"
	export PRIVATE_DEV=1
	exec "$@"
' sh "$@"
