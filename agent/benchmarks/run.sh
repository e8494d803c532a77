#!/bin/sh
# Builds the packaged agent and the benchmarks, and runs them: agent/benchmarks/run.sh [--quick] [NAME...]; --help lists the names.
#   agent/benchmarks/run.sh installed [--idle-minutes N]   the footprint of the package: packs, unpacks the archive, makes the start-up cache as an
#                                                           installation does, and measures that
#   SKIP_BUILD=1    measures what is built
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
case " $* " in
*" installed "*)
	[ "$1" = installed ] || { echo "run.sh: 'installed' stands first and alone: agent/benchmarks/run.sh installed [--idle-minutes N]" >&2; exit 2; }
	;;
esac
jdk=$(.ci/setup --print-jdk) || { .ci/setup; exit 1; }
if [ -z "${SKIP_BUILD:-}" ]; then
	JAVA_HOME="$jdk" mvn -q -B -ntp ${MVN_FLAGS:-} -Dquick -DskipTests -pl agent/benchmarks -am package >&2
	if [ "${1:-}" = installed ]; then
		make package >&2
	else
		packaging/image.sh
	fi
fi
if [ "${1:-}" = installed ]; then
	shift
	installed=packaging/target/installed
	archive=$(ls -t packaging/target/dist/*-linux-"$(uname -m)".tar.gz | head -n 1)
	rm -rf "$installed"
	mkdir -p "$installed"
	tar -xzf "$archive" -C "$installed" --strip-components=1
	"$installed/bin/gpu-node-agent-cache"
	set -- --agent "$installed/bin/gpu-node-agent" "$@" installed
fi
# The client runs with both compilers and much memory: its own time should be as small a part of the figures as can be.
exec "$jdk/bin/java" -XX:+UseSerialGC -Xms256m -Xmx512m --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow \
	-Dio.netty.noUnsafe=false -Djmh.ignoreLock=true \
	-cp "agent/benchmarks/target/classes:agent/benchmarks/target/lib/*:agent/target/dist/lib/*" \
	io.gpunode.benchmarks.Benchmarks "$@"
