#!/bin/sh
# What udhcpc calls when it has an address: the address with its prefix, and the default route if the server names a router. The
# system's own script would write /etc/resolv.conf, which namespaces do not part.
set -eu
case $1 in
    # shellcheck disable=SC2154  # given by udhcpc
    bound | renew)
        ip addr replace "$ip/$mask" dev "$interface"
        [ -z "${router:-}" ] || ip route replace default via "${router%% *}" dev "$interface"
        ;;
esac
