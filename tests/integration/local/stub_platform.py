"""The platform in the foreground, with stand-ins for the routers and the services."""

import os
import sys
from pathlib import Path

from attrs import evolve

import deploy.local.__main__ as shell
from deploy.local.launcher import Plan
from deploy.local.processes import PROVISIONER, Process
from deploy.local.settings import SECOND_ROUTER, LocalSettings, local_settings

STUB = Path(__file__).with_name("stub_process.py")


def stubbed(process: Process, settings: LocalSettings) -> Process:
    kind = {"router": "worker", SECOND_ROUTER: "worker", PROVISIONER: "wait"}.get(process.name, "serve")
    unready = str(settings.state / f"unready-{process.name}")
    command = (sys.executable, str(STUB), process.name.removesuffix("-second"), kind)
    return evolve(process, command=command, environment={**process.environment, "STUB_UNREADY": unready})


def main() -> int:
    settings = local_settings(os.environ)
    plan = shell.plan_of(settings, os.environ)
    services = tuple(stubbed(service, settings) for service in plan.services)
    routers = tuple(stubbed(router, settings) for router in plan.routers)
    return shell.launch(settings, Plan(plan.migrate, routers, services))


if __name__ == "__main__":
    sys.exit(main())
