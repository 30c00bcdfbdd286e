#!/bin/sh
# Kills every process of a session. This busybox has no pkill.
found=yes
while [ "$found" ]; do
	found=
	for process in /proc/[0-9]*; do
		read -r line 2>/dev/null <"$process/stat" || continue
		# After the name, which may hold anything: state, parent, process group, session.
		set -- "$1" ${line##*) }
		if [ "$5" = "$1" ] && [ "$2" != Z ]; then
			kill -KILL "${process#/proc/}" 2>/dev/null && found=yes
		fi
	done
done
