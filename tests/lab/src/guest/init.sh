#!/bin/busybox sh
# First process of a guest: brings the machine up, then runs the scripts that the host sends.
#
# The console (ttyS0) belongs to the kernel. Four more serial ports sit on one PCI card: standard output, standard
# error, control, and one to spare. Programs write into pipes, so that they don't take a terminal for their output.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /mnt /sbin /usr/bin /usr/sbin
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777,size=90% tmpfs /tmp
mount -t bpf bpf /sys/fs/bpf
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
ln -sf /proc/self/fd /dev/fd
ip link set lo up
hostname guest
umask 022
cd /root

nonce=none
shell=
for word in $(cat /proc/cmdline); do
	case $word in
	goinject.nonce=*) nonce=${word#*=} ;;
	goinject.shell) shell=yes ;;
	esac
done

if [ "$shell" ]; then
	[ -f /run/environment ] && . /run/environment
	setsid cttyhack sh
	poweroff -f
fi

set --
for port in /sys/class/tty/ttyS*; do
	case $(readlink -f "$port") in
	*/pci*)
		set -- "$@" "/dev/${port##*/}"
		stty -F "/dev/${port##*/}" raw -echo clocal
		;;
	esac
done
exec 4>"$1" 5>"$2" 6<>"$3"

# One pipe for all programs of the guest's life, held open here: a mark written after a program ended comes after
# everything that it wrote.
mkfifo /run/stdout /run/stderr
cat /run/stdout >&4 &
cat /run/stderr >&5 &
exec 7>/run/stdout 8>/run/stderr

echo "ready $nonce $(uname -r)" >&6
while read -r verb number length limit <&6; do
	case $verb in
	run)
		head -c "$length" <&6 >/run/script
		rm -f /run/late
		setsid sh -c '[ -f /run/environment ] && . /run/environment; . /run/script' \
			</dev/null >&7 2>&8 4>&- 5>&- 6>&- 7>&- 8>&- &
		pid=$!
		setsid sh -c "sleep $limit; touch /run/late; exec kill-session $pid" \
			</dev/null >/dev/null 2>&1 4>&- 5>&- 6>&- 7>&- 8>&- &
		timer=$!
		wait "$pid"
		status=$?
		# It may not have a session yet: so first itself, then what it started.
		kill -KILL "$timer"
		kill-session "$timer"
		wait "$timer" 2>/dev/null
		# What the script left behind must not disturb the next one.
		kill-session "$pid"
		[ -f /run/late ] && status=late
		echo "$nonce:$number" >&7
		echo "$nonce:$number" >&8
		echo "exit $number $status" >&6
		;;
	poweroff) poweroff -f ;;
	esac
done
