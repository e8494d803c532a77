#!/bin/sh
# Prints the home of a JDK 25, or says how to get one.
for home in "${JAVA_HOME_25:-}" "${JAVA_HOME:-}" /usr/lib/jvm/*25*; do
	[ -n "$home" ] && [ -x "$home/bin/javac" ] || continue
	grep -q '^JAVA_VERSION="25' "$home/release" 2>/dev/null && { printf '%s\n' "$home"; exit 0; }
done
echo "no JDK 25 under /usr/lib/jvm, JAVA_HOME_25 or JAVA_HOME: install one with 'apt-get install temurin-25-jdk' (Adoptium's archive) or 'apt-get install openjdk-25-jdk-headless'" >&2
exit 1
