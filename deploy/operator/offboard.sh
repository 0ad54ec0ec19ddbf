#!/bin/sh
# offboard.sh LOGIN REASON: somebody is kept out at once, everywhere and for good; then says where they still have rights to be taken.
# Again it changes nothing: a lock without an end that stands is left as it is. It fails where they are not kept out for good.
set -eu
[ $# -eq 2 ] || { echo "usage: offboard.sh LOGIN REASON" >&2; exit 2; }
if said=$({ flockctl lock person "$1" --because "$2" --json; } 2>&1); then
    echo "$said"
else
    # A lock that ends by itself is not enough: end that one, then run this again.
    case $said in
    *'"ends_at":null'*) echo "$1 is locked already" ;;
    *) echo "$said" >&2; exit 1 ;;
    esac
fi
flags=$(flockctl flags)
echo "$flags" | tail -n +2 | while read -r kind flag _; do
    held=$(flockctl where-can "$1" "$flag" --on "$kind" --despite-locks </dev/null) # which would read the list otherwise, in a container
    echo "$held" | tail -n +2 | sed "s/^/$flag on $kind /"
done
