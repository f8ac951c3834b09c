#!/bin/sh
# Runs before a removal, and before an upgrade, during which the bootnode goes on.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now bootnode.service
	fi
	;;
esac
