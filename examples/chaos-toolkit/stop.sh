#!/bin/sh
# stop.sh: ends the goinject that run.sh has started, if it still runs, and waits until it has let go.
[ -f goinject.pid ] || exit 0
pid=$(cat goinject.pid)
kill -INT "$pid" 2>/dev/null
while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
rm -f goinject.pid
cat goinject.log
