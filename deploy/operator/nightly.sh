#!/bin/sh
# Each night: what changed since the last backup (all of it on Sundays), a restore drill where an identity is at hand, the doctor.
# IRONFLOCK_BACKUP_TO, IRONFLOCK_BACKUP_RECIPIENTS, IRONFLOCK_BACKUP_KEEP; IRONFLOCK_BACKUP_IDENTITY_FILE on the machine that drills.
set -eu
full=""
[ "$(date -u +%u)" != 7 ] || full="--full"
flockctl backup create --to "$IRONFLOCK_BACKUP_TO" --recipient "$IRONFLOCK_BACKUP_RECIPIENTS" $full
flockctl backup prune --from "$IRONFLOCK_BACKUP_TO" --keep "$IRONFLOCK_BACKUP_KEEP" --yes
if [ -n "${IRONFLOCK_BACKUP_IDENTITY_FILE:-}" ]; then
    flockctl backup drill --from "$IRONFLOCK_BACKUP_TO" --identity-file "$IRONFLOCK_BACKUP_IDENTITY_FILE"
fi
flockctl doctor || [ $? -eq 1 ] # warnings are told, and fail nothing
