#!/bin/sh
# Builds the packaged agent and the benchmarks, and runs them: agent/benchmarks/run.sh [--quick] [NAME...]; --help lists the names.
#   SKIP_BUILD=1    measures what is built
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
jdk=$(.ci/setup --print-jdk) || { .ci/setup; exit 1; }
if [ -z "${SKIP_BUILD:-}" ]; then
	JAVA_HOME="$jdk" mvn -q -B -ntp ${MVN_FLAGS:-} -Dquick -DskipTests -pl agent/benchmarks -am package >&2
	packaging/image.sh
fi
# The client runs with both compilers and much memory: its own time should be as small a part of the figures as can be.
exec "$jdk/bin/java" -XX:+UseSerialGC -Xms256m -Xmx512m --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow \
	-Dio.netty.noUnsafe=false -Djmh.ignoreLock=true \
	-cp "agent/benchmarks/target/classes:agent/benchmarks/target/lib/*:agent/target/dist/lib/*" \
	io.gpunode.benchmarks.Benchmarks "$@"
