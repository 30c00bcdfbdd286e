#!/bin/sh
# run.sh RULES PID: goinject on a running process. What came of it is the last line of goinject.jsonl.
#
# goinject is no child that Chaos Toolkit knows: on an interruption that would be killed at once, and could not tell.
rm -f goinject.jsonl
goinject run "$1" --pid "$2" --json goinject.jsonl >goinject.log 2>&1 </dev/null &
echo $! >goinject.pid
wait $!
status=$?
rm -f goinject.pid
cat goinject.log
exit $status
