# make test   build everything and run every test      make format   bring sources into the one format
# make run    a simulated 8-GPU node, at work          make quick    only compile and package, no checks, no tests
# make image  the runnable folder, packaging/target/gpu-node-agent
# make container  the OCI image, packaging/target/gpu-node-agent-image.tar, without a container engine
# make package  .deb, .rpm and .tar.gz with their own Java runtime, packaging/target/dist
# make package-test   installs, upgrades, damages and removes them in copies of this machine's root (needs root)
# make vm-test   a Debian machine under qemu: real kernel modules, real systemd (CASES="word ..." chooses; needs root)
#
# Each does the set-up that is missing. MVN_FLAGS is passed on to Maven, as in: make test MVN_FLAGS=-o

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := test
.PHONY: setup test quick image container package package-test run vm-test format clean

MVN_FLAGS ?=
# Maven runs on the JDK that the code is compiled with: the formatter parses with the compiler of its own JVM. The options
# keep that JVM from warning about what Maven 3's libraries do.
MVN = JAVA_HOME="$$(.ci/setup --print-jdk)" MAVEN_OPTS="$${MAVEN_OPTS:-} --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow" \
	mvn -B -ntp $(MVN_FLAGS)

setup:
	@.ci/setup

test: setup
	$(MVN) verify || { status=$$?; .ci/skipped-tests; exit $$status; }
	packaging/image.sh
	packaging/smoke-test.sh
	packaging/container/build.sh
	packaging/container/test.sh
	@.ci/skipped-tests

quick: setup
	$(MVN) -Dquick -DskipTests package

image: setup
	$(MVN) -q -Dquick -DskipTests package
	packaging/image.sh

container: setup
	$(MVN) -q -Dquick -DskipTests package
	SKIP_AOT=1 packaging/image.sh
	packaging/container/build.sh

package: setup
	$(MVN) -q -Dquick -DskipTests package cyclonedx:makeBom
	packaging/package.sh

package-test: package
	packaging/package-test.sh

run: setup
	@echo "building gpu-node-agent (the first time takes some minutes) ..." >&2
	@$(MVN) -q -Dquick -DskipTests package >&2
	@packaging/image.sh 2>/dev/null || packaging/image.sh
	@exec packaging/target/gpu-node-agent/bin/gpu-node-agent simulate

vm-test:
	packaging/vm-test/test $(CASES)

format: setup
	$(MVN) spotless:apply

clean: setup
	$(MVN) clean
