"""Telling channels of alerts: all that is due to one in one message, again until it was taken, for a day at most.

A channel is leased while it is told, so that no connection to the database waits for a receiver; a process that dies
meanwhile leaves the lease to end, and the same message goes out under the same id.
"""

import asyncio
import base64
import secrets
from collections import Counter
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog
from autobahn.wamp.exception import ApplicationError

from services.devices.alerts.alerting import Alerting
from services.devices.at_once import AtOnce
from services.devices.records.alerts import Alert, Channel, Telling, WebhookSettings
from services.devices.records.devices import READ
from services.devices.rules import alerts as alert_rules
from services.devices.rules import devices as rules
from services.devices.store import alert_channels as store
from shared.bus import Bus
from shared.database import Database
from shared.errors import NotFoundError, PublicError
from shared.flags import AssetKind
from shared.keyring import DataKeys
from shared.nudge import Nudge
from shared.posting import PostingError, post
from shared.rights.decision_point import Rights
from shared.rights.records import Asset

LOOK_EVERY_S: Final = 1.0
LEASE_S: Final = 60.0
"""Longer than a channel may take."""
SEND_WITHIN_S: Final = 30.0
AT_ONCE: Final = 32
"""Half of what may be posted at once (`shared/posting.py`); look-ups of names have threads of their own."""
OF_PROJECT_AT_ONCE: Final = 2
"""So that the channels of one project, all of them slow, hold up nobody else's."""
BATCH: Final = 500
PAUSE_S: Final = 5.0
"""Between two messages to one channel."""
GIVEN_UP_AFTER: Final = timedelta(days=1)
SECRET_OCTETS: Final = 32
ID_BITS: Final = 64
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - of Standard Webhooks
MAX_FAILURE: Final = 200
GAVE_UP: Final = "given up after a day of trying; the next alert is tried again"
NO_PERSON: Final = "the person has left the project, or their account has ended"
TOO_LONG: Final = "it took too long"
TEST: Final = "test"
MAIL: Final = "ironflock.auth.alert.mail"

log = structlog.get_logger()


class DeliveryError(Exception):
    """A channel did not take a message; the text says why, without secrets."""


class AlertMail:
    """Alerts by mail, which auth delivers: it alone knows where people are written to."""

    def __init__(self, bus: Bus, rights: Rights) -> None:
        """Ask auth over `bus`, for people who may see the project by `rights`."""
        self._bus = bus
        self._rights = rights

    async def may_be_told(self, account_key: int, project_key: int) -> bool:
        """Whether the person may see the project.

        Raises:
            UnavailableError: That cannot be looked up now.
        """
        whole = Asset(AssetKind.PROJECT, project_key)
        return (await self._rights.decide(account_key, READ, whole, rules.domain(project_key))).allowed

    async def send(self, channel: Channel, account_key: int, alerts: list[Alert]) -> None:
        """Have the person written to.

        Raises:
            DeliveryError: They may not see the project any more, have too many letters, or auth is away.
        """
        try:
            if not await self.may_be_told(account_key, channel.project_key):
                raise DeliveryError(NO_PERSON)
            await self._bus.call(
                MAIL,
                account_key=account_key,
                project_name=channel.project_name,
                alerts=[alert_rules.in_words(alert) for alert in alerts[: alert_rules.ALERTS_A_MESSAGE]],
                more=max(0, len(alerts) - alert_rules.ALERTS_A_MESSAGE),
            )
        except NotFoundError as error:
            raise DeliveryError(NO_PERSON) from error
        except (PublicError, ApplicationError) as error:
            raise DeliveryError(f"auth: {error.args[0] if error.args else type(error).__name__}") from error


class AlertDelivery:
    """Tells what is due."""

    def __init__(
        self, database: Database, alerting: Alerting, keyring: DataKeys, settings: WebhookSettings, mail: AlertMail
    ) -> None:
        """Tell what `alerting` keeps in `database`; secrets of webhooks are sealed under `keyring`."""
        self._database = database
        self._keyring = keyring
        self._mail = mail
        self._alerting = alerting
        self._settings = settings
        self._nudge = Nudge()
        alerting.on_change(self._nudge.give)

    async def keep_up(self) -> None:
        """Wait until something may be due, a second at most, and tell all that is.

        Raises:
            PublicError: The database is away; everything stays due.
        """
        await self._nudge.wait(LOOK_EVERY_S)
        await self.tell_due()

    async def tell_due(self) -> int:
        """Tell every channel that is due, or comes to be meanwhile; returns how many.

        As soon as one has been told there is a place for the next; each project has its places.
        """
        async with AtOnce(self._tell, self._nudge) as told:
            try:
                count = await self._begin(told)
                while told.under_way:
                    await told.one_ends(LOOK_EVERY_S)
                    count += await self._begin(told)
            except Exception:
                await told.all_end()  # what was sent is noted where it can be
                raise
        return count

    async def _begin(self, told: AtOnce[Channel]) -> int:
        """Tell as many more as there are places for."""
        free = AT_ONCE - len(told.under_way)
        if not free:
            return 0
        taken = Counter(channel.project_key for channel in told.under_way)
        places = {key: OF_PROJECT_AT_ONCE - count for key, count in taken.items()}
        async with self._database.transaction() as connection:
            leased = await store.channel_lease(
                connection, places, now=self._alerting.now(), lease_s=LEASE_S, limit=free, of_project=OF_PROJECT_AT_ONCE
            )
        told.begin(leased)
        return len(leased)

    async def seal(self) -> tuple[str, tuple[UUID, bytes]]:
        """A new secret of a webhook as its receiver knows it, and as it is kept."""
        octets, secret_id = secrets.token_bytes(SECRET_OCTETS), uuid4()
        sealed = await self._keyring.seal(octets, _place(secret_id))
        return SECRET_PREFIX + base64.b64encode(octets).decode(), (secret_id, sealed)

    async def test(self, channel: Channel) -> str | None:
        """Tell the channel that this is a test; why it was not taken, None where it was."""
        now = self._alerting.now()
        fresh = secrets.randbits(ID_BITS)  # or receivers would take a second test for the first one, sent again
        alert = Alert(
            0, channel.project_key, "device_offline", TEST, "info", "open", {TEST: True}, now, now, None, 0, fresh
        )
        try:
            await self._send(channel, [alert], now, kind=TEST)
        except DeliveryError as error:
            return str(error)
        return None

    async def _tell(self, channel: Channel) -> None:
        now = self._alerting.now()
        key = channel.channel_key
        due = await self._database.run(lambda connection: store.telling_list_due(connection, key, now=now, limit=BATCH))
        quiet_until = alert_rules.quiet_until(channel.quiet, channel.time_zone, now)
        found = alert_rules.sort(due, is_quiet=quiet_until is not None)
        async with self._database.transaction() as connection:
            await store.telling_drop(connection, key, found.stale)
            await store.telling_keep(connection, key, found.kept, until=quiet_until or now)
            if not found.told:
                await store.channel_release(connection, key, now=now)
                return
        try:
            await self._send(channel, [telling.alert for telling in found.told], now, kind="alerts")
        except DeliveryError as error:
            await self._failed(channel, str(error)[:MAX_FAILURE])
        else:
            await self._told(channel, found.told)

    async def _told(self, channel: Channel, told: list[Telling]) -> None:
        now = self._alerting.now()
        async with self._database.transaction() as connection:
            await store.telling_set_told(connection, channel.channel_key, told, now=now)
            await store.channel_set_told(connection, channel.channel_key, now=now, pause_s=PAUSE_S)

    async def _failed(self, channel: Channel, failure: str) -> None:
        now, key = self._alerting.now(), channel.channel_key
        log.warning("alert_channel_failed", channel_key=key, attempts=channel.attempts, reason=failure)
        async with self._database.transaction() as connection:
            if channel.failing_since is not None and now - channel.failing_since >= GIVEN_UP_AFTER:
                dropped = await store.channel_give_up(
                    connection, key, now=now, failure=f"{GAVE_UP}: {failure}"[:MAX_FAILURE]
                )
                log.error("alert_channel_given_up", channel_key=key, alerts=dropped)
                return
            chance = secrets.randbelow(1_000) / 1_000
            pause_s = alert_rules.pause_after(channel.attempts, chance)
            await store.channel_set_failed(connection, key, now=now, pause_s=pause_s, failure=failure)

    async def _send(self, channel: Channel, alerts: list[Alert], now: datetime, *, kind: str) -> None:
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._send_in_time(channel, alerts, now, kind=kind)
        except TimeoutError as error:
            raise DeliveryError(TOO_LONG) from error

    async def _send_in_time(self, channel: Channel, alerts: list[Alert], now: datetime, *, kind: str) -> None:
        if channel.account_key is not None:
            await self._mail.send(channel, channel.account_key, alerts)
        elif channel.url is not None and channel.secret is not None and channel.secret_id is not None:
            secret = await self._keyring.open_octets(channel.secret, _place(channel.secret_id))
            await self._post(channel, channel.url, secret, alert_rules.content(channel, alerts, now, kind=kind), alerts)

    async def _post(self, channel: Channel, url: str, secret: bytes, body: bytes, alerts: list[Alert]) -> None:
        message, timestamp = alert_rules.message_id(channel.channel_key, alerts), int(self._alerting.now().timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": alert_rules.signature(secret, message, timestamp, body),
        }
        may = (lambda _: True) if self._settings.may_be_private else alert_rules.is_public_address
        try:
            reply = await post(url, body, headers, self._settings.ca, may_reach=may)
        except PostingError as error:
            raise DeliveryError(str(error)) from error
        if not 200 <= reply.status <= 299:  # noqa: PLR2004 - the successes of HTTP (RFC 9110 section 15.3)
            raise DeliveryError(f"the receiver answered {reply.status}")


def _place(secret_id: UUID) -> str:
    return f"devices.alert_channel/{secret_id}"
