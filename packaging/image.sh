#!/bin/sh
# Lays out the runnable agent in one folder, packaging/target/gpu-node-agent by default: launcher, jars, native libraries,
# a linked Java runtime and the ahead-of-time cache. Packages are made from this folder, and `make run` starts it.
#
#   packaging/image.sh [FOLDER]     after `mvn package`; needs a JDK 25 (.ci/setup says where it is looked for)
#   SKIP_AOT=1                      leaves the cache out (it is remade by bin/gpu-node-agent-cache)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/packaging/target/gpu-node-agent}
say() { printf '%s\n' "$*" >&2; }

jdk=$("$root/.ci/setup" --print-jdk) || { "$root/.ci/setup"; exit 1; }
dist=$root/agent/target/dist/lib
[ -d "$dist" ] || { say "$dist is not there: run 'mvn package' (or 'make quick') first"; exit 1; }

# A folder that is none of ours is not touched.
if [ -e "$out" ] && [ -n "$(ls -A "$out")" ] && [ ! -e "$out/lib/gpu-node-agent.jar" ]; then
	say "$out holds something else than an earlier image: name an empty folder or a new one"
	exit 1
fi
rm -rf "$out"
mkdir -p "$out/bin" "$out/lib/native"
cp "$dist"/*.jar "$out/lib/"
agent=$(basename "$(ls "$out"/lib/gpu-node-agent-*.jar)")
mv "$out/lib/$agent" "$out/lib/gpu-node-agent.jar"
cp "$root/packaging/launcher/gpu-node-agent" "$out/bin/gpu-node-agent"
cp "$root/packaging/launcher/gpu-node-agent-cache" "$root/packaging/launcher/gpu-node-agent-cleanup" "$out/bin/"
chmod 755 "$out"/bin/*
cp "$root/LICENSE" "$root/README.md" "$out/"

# What the compiler leaves to the first run, which no start-up cache holds: about 50 places of every start.
"$jdk/bin/java" -XX:+UseSerialGC "$root/packaging/PlainCode.java" "$out/lib" "$out/lib/gpu-node-agent.jar" \
	"$(ls "$out"/lib/nvml-bindings-*.jar)" "$(ls "$out"/lib/nvml-simulator-*.jar)" >&2

# Native libraries beside the jars, so that nothing is unpacked to a temporary directory at run time.
case $(uname -m) in
x86_64) jna=linux-x86-64 netty=x86_64 ;;
aarch64) jna=linux-aarch64 netty=aarch_64 ;;
*) say "no native libraries for $(uname -m): x86_64 and aarch64 are built"; exit 1 ;;
esac
extract() { # JAR ENTRY
	(cd "$out/lib/native" && "$jdk/bin/jar" xf "$1" "$2" && mv "$2" . && rm -rf "${2%%/*}")
}
extract "$(ls "$out"/lib/jna-[0-9]*.jar)" "com/sun/jna/$jna/libjnidispatch.so"
extract "$(ls "$out"/lib/netty-transport-native-epoll-*-linux-$netty.jar)" "META-INF/native/libnetty_transport_native_epoll_$netty.so"
for other in x86_64 aarch_64; do
	[ $other = $netty ] || rm -f "$out"/lib/netty-transport-native-epoll-*-linux-$other.jar
done

# JNA's jar holds its native library for every platform; ours lies beside the jars.
(
	jar=$(ls "$out"/lib/jna-[0-9]*.jar)
	work=$(mktemp -d)
	cd "$work"
	"$jdk/bin/jar" xf "$jar"
	find com/sun/jna -mindepth 1 -maxdepth 1 -type d -name '*-*' -exec rm -rf {} +
	rm "$jar"
	"$jdk/bin/jar" --create --file "$jar" --manifest META-INF/MANIFEST.MF --date 2026-01-01T00:00:00Z com
	rm -rf "$work"
)

others=$(ls "$out"/lib/*.jar | grep -v '/gpu-node-agent\.jar$')
# shellcheck disable=SC2086 # names of jars have no blanks
"$jdk/bin/java" -XX:+UseSerialGC "$root/packaging/OneJar.java" "$out/lib/gpu-node-agent.jar" $others >&2

# These modules run everything: logging for gRPC, management for the agent's own meters, net.http for the API server, unsupported for signals and
# Netty.
"$jdk/bin/jlink" --add-modules java.base,java.logging,java.management,java.net.http,jdk.management,jdk.unsupported --strip-debug --no-header-files --no-man-pages \
	--compress zip-9 --output "$out/runtime"
# Debug symbols: 5 MB of the virtual machine's alone that a crash report does not need.
if command -v strip >/dev/null; then
	find "$out/runtime/bin" "$out/runtime/lib" "$out/lib/native" -type f \( -name '*.so' -o -perm -u+x \) -exec strip --strip-unneeded {} +
fi

# The cache is named for what it is made of: a cache of other jars would be taken without a word, and would bring their classes.
made_of=$(cat "$out/lib/gpu-node-agent.jar" "$out/runtime/lib/modules" "$out/runtime/lib/server/libjvm.so" | sha256sum | cut -c1-16)
ln -s "gpu-node-agent-$made_of.aot" "$out/lib/gpu-node-agent.aot"

[ -n "${SKIP_AOT:-}" ] || "$out/bin/gpu-node-agent-cache"
cache=0
[ ! -e "$out/lib/gpu-node-agent.aot" ] || cache=$(du -mL "$out/lib/gpu-node-agent.aot" | cut -f1)
say "$out: $(($(du -sm "$out" | cut -f1) - cache)) MiB, and $cache MiB of start-up cache"
