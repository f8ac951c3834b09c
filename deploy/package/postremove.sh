#!/bin/sh
# Runs after a removal. The key and the known nodes go with "purge" alone.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /var/lib/discv5
fi
