#!/bin/sh
# What udhcpc calls when it has an address: an address and its prefix, nothing else. The system's own script would write
# /etc/resolv.conf, which namespaces do not part.
set -eu
case $1 in
    # shellcheck disable=SC2154  # given by udhcpc
    bound | renew) ip addr replace "$ip/$mask" dev "$interface" ;;
esac
