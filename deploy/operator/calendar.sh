#!/bin/sh
# Each week: which certificates, secrets and modes are due (a secret after a year), and which API keys there are with their ends.
# Changes nothing.
# Exit status: the doctor's.
set -u
flockctl api-key list
flockctl doctor --only certificate --only not_renewed --only weak_secret --only old_secret --only rotation_cut_off --only legacy_mode --only restored
