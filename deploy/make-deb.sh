#!/usr/bin/env bash
# Packs the built programs: target/debian/platen-{station,supervisor}_VERSION_ARCH.deb
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
architecture=$(dpkg --print-architecture)
out=target/debian
rm -rf "$out" && mkdir -p "$out"

for name in station supervisor; do
    package=platen-$name
    root=$out/$package
    install -s -Dm755 "target/release/$package" "$root/usr/bin/$package"
    install -Dm644 "deploy/$name.toml" "$root/etc/platen/$name.toml"
    install -Dm644 "deploy/systemd/$package.service" "$root/lib/systemd/system/$package.service"
    install -Dm644 docs/OPERATING.md "$root/usr/share/doc/$package/OPERATING.md"
    install -d "$root/DEBIAN"
    depends='libc6 (>= 2.36), adduser'
    [ "$name" = supervisor ] || depends="$depends, libsane1"
    echo "/etc/platen/$name.toml" >"$root/DEBIAN/conffiles"
    if [ "$name" = station ]; then
        install -Dm644 deploy/profile.toml "$root/etc/platen/profile.toml"
        echo /etc/platen/profile.toml >>"$root/DEBIAN/conffiles"
    fi
    cat >"$root/DEBIAN/control" <<CONTROL
Package: $package
Version: $version
Architecture: $architecture
Maintainer: Platen <platen@localhost>
Depends: $depends
Section: misc
Priority: optional
Description: Platen $name for archive digitisation
 $([ "$name" = station ] && echo 'Controller and edge agent of one scanning workstation.' || echo 'Live batches and rooms of every scanning station of a site.')
CONTROL
    cat >"$root/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
getent passwd platen >/dev/null || adduser --system --group --no-create-home --home /nonexistent platen
# Whose devices a station uses: scanners, boards on a serial line, a Raspberry Pi's pins and bus.
for group in scanner dialout gpio i2c; do
    if getent group "$group" >/dev/null; then adduser --quiet platen "$group"; fi
done
mkdir -p /srv/platen/images /srv/platen/plans
chown platen:platen /srv/platen /srv/platen/images /srv/platen/plans
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
POSTINST
    chmod 755 "$root/DEBIAN/postinst"
    dpkg-deb --root-owner-group --build "$root" "$out/${package}_${version}_$architecture.deb"
done
