"""Moments and documents as they come from the database."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import Transformer
from psycopg.postgres import types
from psycopg.types.datetime import TimestampBinaryLoader

from services.fleetdb.rules.moments import epoch_ms
from services.fleetdb.store.loading import DocumentLoader, MillisecondsLoader

BEFORE_2000 = datetime(2000, 1, 1, tzinfo=UTC)


def loaded(moment: datetime) -> int | float:
    octets = ((moment - BEFORE_2000) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)
    assert TimestampBinaryLoader(types["timestamp"].oid).load(octets) == moment.replace(tzinfo=None)
    return MillisecondsLoader(types["timestamptz"].oid, Transformer()).load(octets)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_is_read_as_it_is_shown_when_it_is_written(moment: datetime) -> None:
    found = loaded(moment)

    assert found == epoch_ms(moment)
    assert type(found) is type(epoch_ms(moment))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON | st.just(10**400))
def test_a_document_is_read_as_the_driver_would(document: object) -> None:
    loader = DocumentLoader(types["jsonb"].oid, Transformer())
    octets = json.dumps(document).encode()

    assert loader.load(b"\x01" + octets) == json.loads(octets)
    assert loader.load(memoryview(b"\x01" + octets)) == json.loads(octets)
