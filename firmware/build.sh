#!/usr/bin/env bash
# Builds the sensor board's firmware, holds it to its budgets and writes it as a UF2. Arguments go to cargo.
set -euo pipefail

readonly target=thumbv6m-none-eabi
readonly flash_budget=$((64 * 1024)) # the Pico has 2 MiB
readonly ram_budget=$((16 * 1024))   # of 264 KiB; statics only, the stack has what is left
app=$(cd "$(dirname "${BASH_SOURCE[0]}")/app" && pwd)
readonly app
readonly out=${CARGO_TARGET_DIR:-$app/target}
readonly apt='apt-get install -y --no-install-recommends rustc-web rust-web-src lld binutils python3'

die() {
    printf 'firmware: %s\n' "$*" >&2
    exit 1
}

# Version of a Debian package; nothing if it is not installed.
installed() {
    local status version
    read -r status version < <(dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null) || return 0
    [[ $status != installed ]] || printf '%s' "$version"
}

cd "$app"
command -v cargo >/dev/null || die 'there is no cargo: install rustup'
command -v ld.lld >/dev/null || die "there is no ld.lld: $apt"
command -v readelf >/dev/null || die "there is no readelf: $apt"
command -v python3 >/dev/null || die "there is no python3: $apt"

flags=(--release)
[[ ! -f Cargo.lock ]] || flags+=(--locked)
if rustup target list --installed 2>/dev/null | grep -x "$target" >/dev/null; then
    echo "firmware: $(rustc --version), target $target from rustup"
else
    # core is built from source, which fits only the compiler it was packed with.
    compiler=$(installed rustc-web)
    source=$(installed rust-web-src)
    [[ -n $compiler && -n $source ]] ||
        die "no compiler for $target. Either: rustup target add $target. Or, on Debian: $apt"
    [[ $compiler == "$source" ]] ||
        die "rustc-web $compiler and rust-web-src $source must have one version: apt-get update && $apt"
    export RUSTC=/usr/bin/rustc
    # cargo takes -Z, and this compiler the features of core's source, only so.
    export RUSTC_BOOTSTRAP=1
    flags+=(-Zbuild-std=core)
    echo "firmware: $("$RUSTC" --version) from Debian, core from rust-web-src $source"
fi
# Flags from outside would replace the linker scripts in .cargo/config.toml, and the result would link and not start.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET
cargo build "${flags[@]}" "$@"

readonly elf=$out/$target/release/platen-board
[[ -f $elf ]] || die "cargo left no $elf"

# What has an address in RAM (0x2…) takes RAM; what has contents takes flash. `.data` takes both.
flash=0 ram=0
while read -r type address size; do
    size=$((16#$size))
    [[ $type == NOBITS ]] || ((flash += size)) || true
    [[ $address != 2* ]] || ((ram += size)) || true
done < <(readelf -SW "$elf" | sed -n 's/^ *\[ *[0-9]*\] *//p' | awk '$7 ~ /A/ { print $2, $3, $5 }')
printf 'firmware: flash %d of %d bytes, RAM %d of %d bytes\n' "$flash" "$flash_budget" "$ram" "$ram_budget"
((flash > 0)) || die "readelf shows nothing to put into flash in $elf"
((flash <= flash_budget)) || die 'over its flash budget'
((ram <= ram_budget)) || die 'over its RAM budget'

# UF2: https://github.com/microsoft/uf2. One block is one 256-byte flash page in 512 bytes.
python3 - "$elf" "$out/platen-board.uf2" <<'PYTHON'
import struct
import sys

PAGE = 256
FLASH = range(0x10000000, 0x10200000)  # 2 MiB
RP2040 = 0xE48BFF56
FAMILY_ID_PRESENT = 0x2000

with open(sys.argv[1], "rb") as file:
    elf = file.read()
if elf[:6] != b"\x7fELF\x01\x01":
    sys.exit("firmware: not a 32-bit little-endian ELF file: " + sys.argv[1])
(table,) = struct.unpack_from("<I", elf, 28)
entry_size, entries = struct.unpack_from("<HH", elf, 42)
segments = {}
for i in range(entries):
    kind, offset, _, address, length = struct.unpack_from("<5I", elf, table + i * entry_size)
    if kind == 1 and length > 0:  # PT_LOAD with contents
        if address not in FLASH or address + length - 1 not in FLASH:
            sys.exit(f"firmware: {length} bytes at {address:#x} are outside the flash")
        segments[address] = elf[offset : offset + length]

# Without gaps, and from a sector's start: the boot ROM decides by the number of a block, not by its address, when to
# erase a sector of 16 pages (erratum RP2040-E14).
first = FLASH.start
last = max(address + len(data) for address, data in segments.items())
image = bytearray(-(-(last - first) // PAGE) * PAGE)
for address, data in segments.items():
    image[address - first : address - first + len(data)] = data

blocks = len(image) // PAGE
with open(sys.argv[2], "wb") as file:
    for block in range(blocks):
        at = block * PAGE
        head = (0x0A324655, 0x9E5D5157, FAMILY_ID_PRESENT, first + at, PAGE, block, blocks, RP2040)
        file.write(struct.pack("<8I476sI", *head, bytes(image[at : at + PAGE]), 0x0AB16F30))
print(f"firmware: {sys.argv[2]}, {blocks} blocks")
PYTHON
