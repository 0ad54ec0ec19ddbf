#!/bin/sh
# Every five minutes: the write-ahead log since the last backup, and with it the ledger and the log's head.
set -eu
flockctl backup wal --to "$IRONFLOCK_BACKUP_TO" --recipient "$IRONFLOCK_BACKUP_RECIPIENTS" --or-create
