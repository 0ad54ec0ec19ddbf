#!/bin/sh
# Each week: how many devices, projects and entries there are, and whether disks, connections or queues fill up.
# Exit status: the doctor's.
set -u
echo "devices: $(flockctl device list | tail -n +2 | wc -l)"
echo "projects: $(flockctl project list | tail -n +2 | wc -l)"
echo "head of the audit log (origin, entries, root):"
flockctl audit head | head -n 3
flockctl doctor --only disk --only connections --only wal_kept --only outbox --only transaction
