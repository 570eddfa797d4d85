#!/bin/sh
# Builds a Debian package of this clone for this machine's Python and architecture: contrib/debian/build.sh [FOLDER]
#
# The libraries, not all of which Debian has, are in it, below /usr/lib/mycelium. Options for pip are taken from PIP_OPTIONS,
# the interpreter from PYTHON.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
out=$(mkdir -p "${1:-.}" && cd "${1:-.}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
lib=$root/usr/lib/mycelium

mkdir -p "$work/source" "$root/DEBIAN" "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/usr/share/man/man1" \
    "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d" \
    "$root/usr/share/polkit-1/rules.d"
cd "$here"
cp -R setup.py setup.cfg pyproject.toml README.md LICENSE mycelium sim "$work/source"
# shellcheck disable=SC2086 - these are several words
"$python" -m pip install --quiet --no-compile --disable-pip-version-check --root-user-action ignore ${PIP_OPTIONS-} \
    --target "$lib" "$work/source"
rm -rf "$lib/bin"

version=$(PYTHONPATH=$lib "$python" -P -c 'import mycelium; print(mycelium.__version__)')
series=$("$python" -c 'import sys; print("{}.{}".format(*sys.version_info))')
next=$("$python" -c 'import sys; print("{}.{}".format(sys.version_info[0], sys.version_info[1] + 1))')

cat >"$root/usr/bin/mycelium" <<'PROGRAM'
#!/usr/bin/python3 -P
import sys

sys.path.insert(0, "/usr/lib/mycelium")
from mycelium.__main__ import main

sys.exit(main())
PROGRAM
chmod 755 "$root/usr/bin/mycelium"

say() { PYTHONPATH=$lib "$python" -P -m mycelium "$@"; }
PYTHONPATH=$lib "$python" -P -c 'from pathlib import Path
from mycelium.admin.service_unit import unit_text
print(unit_text(Path("/usr/bin/mycelium")), end="")' >"$root/usr/lib/systemd/system/mycelium.service"
PYTHONPATH=$lib "$python" -P -c 'from mycelium.admin.service_unit import POLKIT_RULE
print(POLKIT_RULE, end="")' >"$root/usr/share/polkit-1/rules.d/mycelium.rules"
say manual | gzip -9n >"$root/usr/share/man/man1/mycelium.1.gz"
say completion bash >"$root/usr/share/bash-completion/completions/mycelium"
say completion zsh >"$root/usr/share/zsh/vendor-completions/_mycelium"
say completion fish >"$root/usr/share/fish/vendor_completions.d/mycelium.fish"

cat >"$root/DEBIAN/control" <<CONTROL
Package: mycelium-mesh
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: the Mycelium project
Section: net
Priority: optional
Depends: python3 (>= $series~), python3 (<< $next~), passwd
Installed-Size: $(du -ks "$root" | cut -f1)
Description: self-healing, end-to-end encrypted IPv6 mesh overlay network
 Each host gets an IPv6 address made from its own key, joins a mesh through
 the peers or the invitation that it is given, and reaches every other host
 along the shortest path.
CONTROL
cat >"$root/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
if ! getent passwd mycelium >/dev/null; then
    useradd --system --user-group --no-create-home --home-dir /var/lib/mycelium --shell /usr/sbin/nologin mycelium
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart mycelium.service
fi
POSTINST
cat >"$root/DEBIAN/prerm" <<'PRERM'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now mycelium.service
fi
PRERM
cat >"$root/DEBIAN/postrm" <<'POSTRM'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
if [ "$1" = purge ]; then
    rm -rf /etc/mycelium /var/lib/mycelium
    if getent passwd mycelium >/dev/null; then
        userdel mycelium
    fi
fi
POSTRM
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"

package=$out/mycelium-mesh_${version}_$(dpkg --print-architecture).deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
