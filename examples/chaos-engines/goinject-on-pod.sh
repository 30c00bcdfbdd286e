#!/bin/sh
# goinject-on-pod.sh NAMESPACE POD < RULES: goinject on a pod, from the pod of its DaemonSet on the same node.
#
# Succeeds where every expectation was met: exit code 0, or 5 where a limit ended the faults after that.
set -u
node=$(kubectl get pod --namespace "$1" "$2" --output 'jsonpath={.spec.nodeName}') || exit
agent=$(kubectl get pods --namespace goinject --selector app=goinject \
    --field-selector "spec.nodeName=$node" --output name) || exit
kubectl exec --stdin --namespace goinject "$agent" -- \
    /goinject run --container "$1/$2" --quiet /dev/stdin
status=$?
[ "$status" -eq 5 ] || exit "$status"
