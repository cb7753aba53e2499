# Two commands for newcomers: `make demo` and `make test`. Each installs what it needs (Debian 12, Raspberry Pi OS).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export CARGO_TERM_COLOR ?= auto

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# What the programs build and run with, and what the rig adds.
BUILD_PACKAGES := gcc libc6-dev cmake make nasm
RUN_PACKAGES := libsane1
RIG_PACKAGES := sane-utils nut-server mosquitto mosquitto-clients
PEER_PACKAGES := libleptonica-dev imagemagick valgrind
TEST_PACKAGES := $(RIG_PACKAGES) chromium chromium-driver python3 python3-paho-mqtt libimage-exiftool-perl libtiff-tools curl openssl libnss3-tools libfaketime

# Installs what is missing, and asks for nothing when nothing is.
define install
	@missing=(); for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing+=($$p); done; \
	if [ $${#missing[@]} -gt 0 ]; then echo "installing $${missing[*]}"; \
	$(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $${missing[*]} >/dev/null; fi
endef

.PHONY: help demo test lint bench losses soak fuzz firmware firmware-tools emulator strangers node deb audit
.DEFAULT_GOAL := help

help:
	@echo "make demo [ONCE=1]   two small batches on a virtual scanner, dashboards and all"
	@echo "make test            lint and every test"
	@echo "make bench           ratios against peers"
	@echo "make losses          50,000 events and 30 kills, ten times (RUNS=..., SEED=...)"
	@echo "make soak            a shift with everything failing at random (SEED=..., HOURS=...)"
	@echo "make fuzz            board link, messages, pages and image files, 10 minutes each (SECONDS=...); needs cargo-fuzz"
	@echo "make lint            rustfmt and clippy"
	@echo "make audit           licences and advisories (needs cargo-deny)"
	@echo "make firmware        the sensor board's ELF and UF2, with their sizes"
	@echo "make emulator        what runs that ELF in the tests (npm, by its lock file)"
	@echo "make deb             Debian packages of station and supervisor"

demo:
	$(call install,$(BUILD_PACKAGES) $(RUN_PACKAGES) $(RIG_PACKAGES))
	cargo build --release --locked -p platen-station -p platen-supervisor -p hw-tests
	target/release/hw-tests demo $(if $(ONCE),--once)

lint:
	$(call install,$(BUILD_PACKAGES))
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

test: lint firmware emulator strangers
	$(call install,$(BUILD_PACKAGES) $(RUN_PACKAGES) $(TEST_PACKAGES))
	cargo build --locked --workspace
	cargo test --locked --workspace

bench:
	$(call install,$(BUILD_PACKAGES) $(RUN_PACKAGES) $(RIG_PACKAGES) $(PEER_PACKAGES))
	cargo build --release --locked -p platen-station -p platen-supervisor -p hw-tests
	target/release/hw-tests bench

# 50,000 events in each of RUNS runs, with 30 kills and more.
losses:
	$(call install,$(BUILD_PACKAGES) $(RUN_PACKAGES) $(RIG_PACKAGES))
	cargo build --release --locked -p platen-station -p platen-supervisor -p hw-tests
	target/release/hw-tests bench --only losses --runs $(or $(RUNS),10) --seed $(or $(SEED),1)

# A shift in HOURS hours, with everything failing at random.
soak:
	$(call install,$(BUILD_PACKAGES) $(RUN_PACKAGES) $(RIG_PACKAGES))
	cargo build --release --locked -p platen-station -p platen-supervisor -p hw-tests -p virtual-scanner -p bad-disk
	target/release/hw-tests soak --seed $(or $(SEED),1) --hours $(or $(HOURS),1)

# Without the sanitisers, which need a nightly compiler. Image files begin with real ones, and may be as large as they say.
FUZZ := RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none
FUZZ_FOR := -max_total_time=$(or $(SECONDS),600)
fuzz:
	$(FUZZ) board -- $(FUZZ_FOR) -max_len=2048
	$(FUZZ) station -- $(FUZZ_FOR) -max_len=2048
	$(FUZZ) pages -- $(FUZZ_FOR) -max_len=8192
	mkdir -p fuzz/corpus/files
	$(FUZZ) files fuzz/corpus/files hw-tests/pages/real -- $(FUZZ_FOR) -max_len=262144 -rss_limit_mb=8192

firmware:
	@rustup target list --installed 2>/dev/null | grep -qx thumbv6m-none-eabi || $(MAKE) --no-print-directory firmware-tools
	firmware/build.sh

# Where rustup cannot fetch the target, Debian's compiler builds core from its own source.
firmware-tools:
	$(call install,rustc-web rust-web-src lld binutils python3)

# The chip that the stories run the board's own binary on.
emulator:
	@command -v npm >/dev/null || $(MAKE) --no-print-directory node
	cd hw-tests/emulator && npm ci --no-audit --no-fund

# What of others the tests read our own with.
strangers:
	@command -v npm >/dev/null || $(MAKE) --no-print-directory node
	cd hw-tests/strangers && npm ci --no-audit --no-fund --ignore-scripts

node:
	$(call install,nodejs npm)

deb:
	$(call install,$(BUILD_PACKAGES) dpkg-dev)
	cargo build --release --locked -p platen-station -p platen-supervisor
	deploy/make-deb.sh

audit:
	cargo deny --all-features check
