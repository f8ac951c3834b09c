#!/bin/sh
# Runs after an installation or an upgrade. A bootnode that runs is restarted; a new one is not
# started, since it needs an address first: systemctl enable --now bootnode.
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers discv5.conf
elif ! getent passwd discv5 >/dev/null; then
	useradd --system --home-dir /var/lib/discv5 --no-create-home --shell /usr/sbin/nologin discv5
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart bootnode.service
fi
