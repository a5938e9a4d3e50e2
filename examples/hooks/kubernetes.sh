#!/bin/sh
# Empty a Kubernetes node before it is patched, and let it take pods again after it.
#
#     hooks:
#       - name: drain
#         when: before
#         of: machine
#         command: [../../examples/hooks/kubernetes.sh, "{name}", "900"]
#         timeout: 16m
#         on_failure: skip_machine
#       - name: uncordon
#         when: after
#         of: machine
#         command: [../../examples/hooks/kubernetes.sh, "{name}", "900"]
#
# Arguments: the node, and the seconds that its pods have to go; let the hook's timeout be longer.
# Disruption budgets hold: a pod that may not go makes the hook fail, and the machine is left alone.
# The node is let in again only where the machine came to a good end or nothing was done to it; any
# other is left cordoned for a person to look at. As a test the server is asked for a dry run.
set -eu
node=$1
seconds=$2
kubectl=${KUBECTL:-kubectl}
told=$(cat)

say() { printf '%s\n' "$*"; }

drain() {
  "$kubectl" drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout="${seconds}s" "$@"
}

# How the machine ended: the first "status" after "outcome" in what we are told.
ended=$(printf '%s' "$told" | sed -n 's/.*"outcome": *{"status": *"\([^"]*\)".*/\1/p')

if [ -n "${PATCHYARD_TEST:-}" ]; then
  drain --dry-run=server
elif [ "$PATCHYARD_HOOK_WHEN" = before ]; then
  # Where it fails half-way it stays cordoned until the hook after the machine.
  drain
else
  case $ended in
    Succeeded | CompletedWithWarnings | rolled_back | refused | cancelled | NotStarted)
      "$kubectl" uncordon "$node" ;;
    *)
      say "$node ended as ${ended:-unknown} and stays cordoned; kubectl uncordon $node lets it in" ;;
  esac
fi
