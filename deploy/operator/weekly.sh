#!/bin/sh
# Each week: which certificates, secrets and modes are due, which API keys there are, how much there is and what fills up. Changes nothing.
# Exit status: the worse of the two.
set -u
cd "$(dirname "$0")" || exit
./calendar.sh
due=$?
./capacity.sh
full=$?
exit $((due > full ? due : full))
