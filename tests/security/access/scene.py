"""The scene that the matrix is asked in: an owner with a project full of things, and people who have no part in it."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from typing import Any, Final, LiteralString

from attrs import frozen

from shared.api_keys import key_id
from tests.harness.accounts import Stranger, add_stranger
from tests.harness.clients import join_device, join_person, new_name
from tests.harness.recorded import wait_until_integrated
from tests.harness.rest import KeptRestClient
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually
from tests.integration.router_node.node import new_address
from tests.integration.router_node.wire import Peer, WampError
from tests.security.access.records import Who

RIGHTS: Final = "ironflock.privileges"
DEVICES: Final = "ironflock.devices"
REALMS: Final = "ironflock.realms"
PROJECTS: Final = "ironflock.realms.project"
AUTH: Final = "ironflock.auth"
AUDIT: Final = "ironflock.audit"
TUNNELS: Final = "ironflock.tunnels"
IMAGE: Final = f"registry.example.com/press@sha256:{'0a' * 32}"


@frozen
class Asker:
    """Somebody who asks: by a session on the bus, if they have one, and by a credential over HTTPS.

    `apart` gives a session that may be left: the streams of a person end with it.
    """

    who: Who
    account_key: int
    credential: str | None
    peer: Peer | None
    rest: KeptRestClient
    apart: Callable[[], Awaitable[Peer]]


class Scene:
    """Who is there, and what belongs to the owner; `known` has everything by name."""

    def __init__(self, platform: RunningPlatform, first_owner: Peer) -> None:
        """On `platform`, whose first owner runs the installation and has no part in anything else here."""
        self.platform = platform
        self.first_owner = first_owner
        self.askers: dict[Who, Asker] = {}
        self.logins: dict[int, str] = {}
        self.known: dict[str, Any] = {"installation": 1, "operators_key": key_id(platform.owner_key)}

    @property
    def owner(self) -> Peer:
        """The session of the owner."""
        return self.peer(Who.OWNER)

    def peer(self, who: Who) -> Peer:
        """The session of one who has one."""
        found = self.askers[who].peer
        assert found is not None
        return found

    def execute(self, statement: LiteralString, *values: Any) -> None:
        """Put into the database what only browsers could make."""
        with self.platform.database() as connection:
            connection.execute(statement, values)

    async def invite(self, project: int, *guests: int) -> list[int]:
        """The keys of invitations of the owner's to accounts."""
        asked = [
            await self.owner.call(f"{RIGHTS}.invitation.create", project=project, account=self.logins[guest])
            for guest in guests
        ]
        return [each["invitation_key"] for each in asked]

    async def project(self) -> int:
        """A new project of the owner's, known to everybody who decides."""
        made = await self.owner.call(f"{PROJECTS}.create", name=new_name("plant"))
        return await self._told(int(made["project_key"]))

    async def _told(self, project: int) -> int:
        async def is_known() -> bool:
            with suppress(WampError):
                await self.owner.call(f"{PROJECTS}.show", project=project)
                return True
            return False

        await eventually(is_known, 10, "the project is known")
        return project

    async def device(self, project: int | None = None) -> int:
        """A new device of the owner's."""
        where = self.known["project"] if project is None else project
        made = await self.owner.call(f"{DEVICES}.device.create", project=where, name=new_name("press"))
        return int(made["device_key"])

    async def group(self) -> int:
        """A new group in the owner's project."""
        made = await self.owner.call(f"{DEVICES}.group.create", project=self.known["project"], name=new_name("line"))
        return int(made["group_key"])

    async def app(self) -> int:
        """A new app of the owner's, known to everybody who decides, which wants to read all others."""
        key = int((await self.owner.call(f"{REALMS}.app.create", name=new_name("app")))["app_key"])

        async def is_known() -> bool:
            with suppress(WampError):
                await self.owner.call(f"{REALMS}.app.show", app=key)
                return True
            return False

        await eventually(is_known, 10, "the app is known")
        template: dict[str, Any] = {"data": {}, "consumes": [{"app": "*", "reason": "all of it"}]}
        release: dict[str, Any] = {"version": "1.0", "image": IMAGE, "data_template": template}
        await self.owner.call(f"{REALMS}.release.create", app=key, **release)
        return key

    async def install(self, stage: str) -> None:
        """The app is in the project, at that stage."""
        where = {"project": self.known["project"], "app": self.known["app"]}
        await self.owner.call(f"{REALMS}.install.create", stage=stage, **where)

    async def board(self) -> int:
        """A new board of the owner's in their project, known to everybody who decides."""
        made = await self.owner.call(f"{REALMS}.board.create", project=self.known["project"], name=new_name("line"))
        key = int(made["board_key"])

        async def told() -> bool:
            with self.platform.database() as connection:
                asked = "SELECT FROM realms.board WHERE board_key = %s AND is_told"
                return connection.execute(asked, [key]).fetchone() is not None

        await eventually(told, 10, "the board is known")
        return key

    async def tunnel(self) -> int:
        """A tunnel of the owner's device."""
        where = {"device": self.known["device"], "app": new_name("app"), "port": 22, "protocol": "tcp"}
        return int((await self.owner.call(f"{TUNNELS}.tunnel.declare", **where))["tunnel_key"])

    def recording(self) -> int:
        """The visit of which there is a recording, empty: nobody visits here."""
        visit = 900_000_000_000 + int(self.known["device"])
        with self.platform.database() as connection:
            connection.execute(
                "INSERT INTO tunnels.recording (visit_key, project_key, device_key, app, began_at)"
                " VALUES (%s, %s, %s, 'console', now())",
                [visit, self.known["project"], self.known["device"]],
            )
        return visit

    async def backend(self) -> int:
        """The data backend of the app in the project, known to everybody who decides."""

        async def told() -> int | None:
            with self.platform.database() as connection:
                row = connection.execute(
                    "SELECT backend_key FROM realms.backend WHERE app_key = %s AND is_told AND state = 'ready'",
                    [self.known["app"]],
                ).fetchone()
            return None if row is None else int(row[0])

        return await eventually(told, 20, "the data backend is ready and known") or 0


@asynccontextmanager
async def opened(platform: RunningPlatform) -> AsyncIterator[Scene]:
    """The scene, everybody in their places; the sessions end with it."""
    async with AsyncExitStack() as stack:
        scene = Scene(platform, await stack.enter_async_context(await join_person(platform)))
        people = {name: add_stranger(platform) for name in ("outsider", "member", "flagged", "owner", *_ABSENT)}
        for who in (Who.OUTSIDER, Who.MEMBER, Who.FLAGGED, Who.OWNER):
            scene.askers[who] = await _person(stack, platform, who, people[who.value])
        scene.known |= {name: each.account_key for name, each in people.items()}
        scene.known["nobody_login"] = people["nobody"].login_name
        scene.logins.update({each.account_key: each.login_name for each in people.values()})
        await _furnish(scene)
        await _populate(scene, stack, people)
        scene.askers[Who.ANONYMOUS] = Asker(Who.ANONYMOUS, 0, None, None, _rest(stack, platform, None), _no_session)
        scene.askers[Who.DEVICE] = await _device(stack, scene)
        wait_until_integrated(platform)
        await _find_entry(scene)
        yield scene


_ABSENT: Final = ("bystander", "nobody", "victim")
"""A member with `READ` on the device, somebody outside, and somebody to be disabled: none of them ever asks."""


async def _person(stack: AsyncExitStack, platform: RunningPlatform, who: Who, found: Stranger) -> Asker:
    key = found.account.api_key
    peer = await stack.enter_async_context(await join_person(platform, key))
    rest = _rest(stack, platform, key)
    return Asker(who, found.account_key, key, peer, rest, lambda: join_person(platform, key))


def _rest(stack: AsyncExitStack, platform: RunningPlatform, credential: str | None) -> KeptRestClient:
    """From an address of their own: by it those are held back who show a wrong credential, or none."""
    return stack.enter_context(closing(KeptRestClient(platform, credential, source=new_address())))


async def _no_session() -> Peer:
    raise NotImplementedError


async def _device(stack: AsyncExitStack, scene: Scene) -> Asker:
    flock = (await scene.owner.call(f"{DEVICES}.device.flash", device=scene.known["sender"]))["flock"]
    peer = await stack.enter_async_context(await join_device(scene.platform, flock))
    rest = _rest(stack, scene.platform, flock["secret"])
    return Asker(Who.DEVICE, 0, flock["secret"], peer, rest, lambda: join_device(scene.platform, flock))


async def _furnish(scene: Scene) -> None:
    known = scene.known
    known["project"] = await scene.project()
    known["sender"], known["device"] = await scene.device(), await scene.device()
    known["tunnel"], known["visit"] = await scene.tunnel(), scene.recording()
    known["group"], known["other"] = await scene.group(), await scene.project()
    known["app"] = await scene.app()
    await scene.install("DEV")
    known["data_backend"], known["board"] = await scene.backend(), await scene.board()
    robot = await scene.owner.call(f"{AUTH}.service_account.create", name=new_name("robot"))
    known["robot"] = robot["account_key"]
    made = {"name": "reports", "scopes": ["read"], "account_key": known["robot"]}
    known["key_id"] = (await scene.owner.call(f"{AUTH}.api_key.create", **made))["key_id"]


async def _populate(scene: Scene, stack: AsyncExitStack, people: dict[str, Stranger]) -> None:
    """Members come in; a project is offered to somebody who never answers."""
    for name in ("member", "flagged", "bystander"):
        (key,) = await scene.invite(scene.known["project"], people[name].account_key)
        peer = await stack.enter_async_context(await join_person(scene.platform, people[name].account.api_key))
        await peer.call(f"{RIGHTS}.invitation.accept", invitation_key=key)
    given = {"kind": "device", "key": scene.known["device"], "flags": ["READ"]}
    await scene.owner.call(f"{RIGHTS}.grant.give", account=scene.known["bystander"], **given)
    offer = {"project": scene.known["other"], "account": scene.known["nobody_login"]}
    await scene.owner.call(f"{RIGHTS}.transfer.offer", **offer)


async def _find_entry(scene: Scene) -> None:
    """An entry that nobody but the owner did, or suffered."""
    project = scene.known["project"]
    page = await scene.owner.call(f"{AUDIT}.entry.list", project=project, action="device.created")
    entry = scene.known["entry_id"] = page["entries"][0]["id"]

    async def is_published() -> bool:
        with suppress(WampError):
            await scene.owner.call(f"{AUDIT}.entry.proof", entry_id=entry)
            return True
        return False

    await eventually(is_published, 20, "the entry is in a published head")


# What a call uses up is made afresh for each cell: by the owner, unless it is for the asker to have.


async def new_device(scene: Scene, _: Asker) -> dict[str, Any]:
    """A device."""
    return {"device": await scene.device()}


async def new_group(scene: Scene, _: Asker) -> dict[str, Any]:
    """A group, and the device in it."""
    group = await scene.group()
    await scene.owner.call(f"{DEVICES}.group.add_device", group=group, device=scene.known["device"])
    return {"group": group}


async def new_rollout(scene: Scene, asker: Asker) -> dict[str, Any]:
    """A rollout of the owner's: the device, which is never there, waits for its turn."""
    await without_rollouts(scene, asker)
    what = {"project": scene.known["project"], "action": "update_agent", "devices": [scene.known["device"]]}
    return {"rollout": (await scene.owner.call(f"{DEVICES}.rollout.start", **what))["rollout_key"]}


async def without_rollouts(scene: Scene, _: Asker) -> dict[str, Any]:
    """No rollout is under way: a device has its turn in one of them at a time."""
    scene.execute("DELETE FROM devices.rollout")
    return {}


async def new_alert(scene: Scene, _: Asker) -> dict[str, Any]:
    """An alert of a device that was away."""
    with scene.platform.database() as connection:
        row = connection.execute(
            "INSERT INTO devices.alert (project_key, kind, subject, severity, state, opened_at, state_since, seen_at)"
            " VALUES (%s, 'rollout_stopped', %s, 'warning', 'open', now(), now(), now()) RETURNING alert_key",
            [scene.known["project"], new_name("rollout")],
        ).fetchone()
    assert row is not None
    return {"alert": row[0]}


async def new_channel_name(scene: Scene, _: Asker) -> dict[str, Any]:
    """A name that no channel has; and room for one more."""
    for channel in await scene.owner.call(f"{DEVICES}.alert_channel.list", project=scene.known["project"]):
        await scene.owner.call(f"{DEVICES}.alert_channel.delete", channel=channel["channel_key"])
    return {"name": new_name("duty")}


async def new_channel(scene: Scene, asker: Asker) -> dict[str, Any]:
    """A channel."""
    name = (await new_channel_name(scene, asker))["name"]
    made = await scene.owner.call(
        f"{DEVICES}.alert_channel.create", project=scene.known["project"], name=name, url="https://localhost:1/"
    )
    return {"channel": made["channel"]["channel_key"]}


async def new_move(scene: Scene, _: Asker) -> dict[str, Any]:
    """A move of the owner's project to another cluster, which is over."""
    with scene.platform.database() as connection:
        row = connection.execute(
            "INSERT INTO realms.move (project_key, to_key, account_key, state, ended_at)"
            " SELECT %s, cluster_key, %s, 'given_up', now() FROM realms.cluster LIMIT 1 RETURNING move_key",
            [scene.known["project"], scene.known["owner"]],
        ).fetchone()
    assert row is not None
    return {"move_key": row[0]}


async def new_board(scene: Scene, _: Asker) -> dict[str, Any]:
    """A board."""
    return {"board": await scene.board()}


async def new_tunnel(scene: Scene, _: Asker) -> dict[str, Any]:
    """A tunnel."""
    return {"new_tunnel": await scene.tunnel()}


async def new_install(scene: Scene, _: Asker) -> dict[str, Any]:
    """The app in the project for production too."""
    await scene.install("PROD")
    return {}


async def new_code(scene: Scene, _: Asker) -> dict[str, Any]:
    """The claim code of a device in another project of the owner's."""
    device = await scene.device(scene.known["other"])
    made = await scene.owner.call(f"{DEVICES}.device.set_claimable", device=device, is_claimable=True)
    return {"code": made["claim_code"]}


async def new_member(scene: Scene, asker: Asker) -> dict[str, Any]:
    """A project in which the asker is a member, if they are in the other one."""
    project = await scene.project()
    if asker.who in (Who.MEMBER, Who.FLAGGED):
        (key,) = await scene.invite(project, asker.account_key)
        assert asker.peer is not None
        await asker.peer.call(f"{RIGHTS}.invitation.accept", invitation_key=key)
    return {"project": project}


async def new_invitation(scene: Scene, _: Asker) -> dict[str, Any]:
    """An invitation of the outsider to a project in which nobody else is."""
    (key,) = await scene.invite(await scene.project(), scene.known["outsider"])
    return {"invitation_key": key}


async def new_invitation_here(scene: Scene, _: Asker) -> dict[str, Any]:
    """An invitation to the project."""
    known = scene.known
    listed = await scene.owner.call(f"{RIGHTS}.invitation.list", project=known["project"])
    standing = [each["invitation_key"] for each in listed["invitations"] if each["account_key"] == known["nobody"]]
    return {"invitation_key": standing[0] if standing else (await scene.invite(known["project"], known["nobody"]))[0]}


async def new_offer(scene: Scene, _: Asker) -> dict[str, Any]:
    """A project that is offered to the outsider."""
    project = await scene.project()
    await scene.owner.call(f"{RIGHTS}.transfer.offer", project=project, account=scene.logins[scene.known["outsider"]])
    return {"project": project}


async def new_app_offer(scene: Scene, _: Asker) -> dict[str, Any]:
    """An app that is offered to the outsider."""
    key = (await scene.owner.call(f"{REALMS}.app.create", name=new_name("app")))["app_key"]
    await scene.owner.call(f"{RIGHTS}.app_transfer.offer", app=key, account=scene.logins[scene.known["outsider"]])
    return {"offered_app": key}


async def new_lock(scene: Scene, asker: Asker) -> dict[str, Any]:
    """A lock on a new device; under it nobody is given a flag, so that it is given before. The owner's is their own."""
    device, peer = await scene.device(), scene.owner
    if asker.who is Who.FLAGGED:
        given: dict[str, Any] = {"kind": "device", "key": device, "flags": ["GRANT"]}
        await scene.owner.call(f"{RIGHTS}.grant.give", account=asker.account_key, **given)
        peer = scene.peer(asker.who)
    made = await peer.call(f"{RIGHTS}.lock.create", kind="device", key=str(device))
    return {"device": device, "lock_key": made["lock_key"]}


async def new_guest(scene: Scene, _: Asker) -> dict[str, Any]:
    """Somebody who is invited to the installation."""
    address = f"{new_name('guest')}@example.com"
    return {"account_key": (await scene.first_owner.call(f"{AUTH}.account.invite", address=address))["account_key"]}


async def new_key(scene: Scene, _: Asker) -> dict[str, Any]:
    """An API key of the owner's service account."""
    made = {"name": new_name("key"), "scopes": ["read"], "account_key": scene.known["robot"]}
    return {"key_id": (await scene.owner.call(f"{AUTH}.api_key.create", **made))["key_id"]}


async def new_robot(scene: Scene, _: Asker) -> dict[str, Any]:
    """A service account of the owner's."""
    made = await scene.owner.call(f"{AUTH}.service_account.create", name=new_name("robot"))
    return {"account_key": made["account_key"]}


async def new_session(scene: Scene, _: Asker) -> dict[str, Any]:
    """A browser's session of the owner's."""
    session = f"ses_{secrets.token_hex(16)}"
    scene.execute(
        "INSERT INTO auth.session (session_id, account_key, kind, amr, address, user_agent, last_address, ends_at)"
        " VALUES (%s, %s, 'browser', '{pwd}', '192.0.2.1', 'test', '192.0.2.1', now() + interval '1 hour')",
        session,
        scene.known["owner"],
    )
    return {"session": session}


async def new_passkey(scene: Scene, _: Asker) -> dict[str, Any]:
    """A passkey of the owner's; only one stands at a time."""
    await without_factors(scene, _)
    scene.execute(
        "INSERT INTO auth.passkey (credential_id, account_key, public_key, sign_count, name, transports, is_backed_up)"
        " VALUES ('matrix', %s, '', 0, 'mine', '{}', false)",
        scene.known["owner"],
    )
    return {"passkey": "bWF0cml4"}


async def new_totp(scene: Scene, asker: Asker) -> dict[str, Any]:
    """An authenticator app of the asker's own."""
    await without_factors(scene, asker)
    scene.execute(
        "INSERT INTO auth.totp (account_key, sealed, confirmed_at)"
        " SELECT account_key, '', now() FROM auth.account WHERE account_key = %s",
        asker.account_key,
    )
    return {}


async def new_consent(scene: Scene, _: Asker) -> dict[str, Any]:
    """What the owner lets flockctl do."""
    scene.execute(
        "INSERT INTO auth.consent (account_key, client_id, scopes) VALUES (%s, 'flockctl', '{read}')"
        " ON CONFLICT DO NOTHING",
        scene.known["owner"],
    )
    return {"client_id": "flockctl"}


async def without_factors(scene: Scene, _: Asker) -> dict[str, Any]:
    """Nobody of the scene has a factor: with one, keys could do less."""
    people = [asker.account_key for asker in scene.askers.values()]
    scene.execute("DELETE FROM auth.passkey WHERE account_key = ANY(%s)", people)
    scene.execute("DELETE FROM auth.totp WHERE account_key = ANY(%s)", people)
    return {}
