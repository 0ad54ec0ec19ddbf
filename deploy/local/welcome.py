"""What the launcher prints when everything runs."""

from deploy.local.processes import DATABASE_NAME
from deploy.local.settings import LocalSettings, url_host
from deploy.local.state import StateFolder


def welcome(settings: LocalSettings, *, whole: bool) -> str:
    """Where everything is and how to sign in: files and commands, never a secret."""
    state, ports = StateFolder(settings.state), settings.ports
    if not whole:
        return f"PostgreSQL runs: localhost port {ports.postgres}, database {DATABASE_NAME}, CA {state.ca_certificate}"
    host = url_host(settings.host)
    public = f"wss://{host}:{ports.router_public}"
    return f"""
IronFlock runs.
  devices                 {public}/ws-re-dev
  people                  {public}/ws-usr
  apps                    {public}/ws-ua-usr
  sign in, accounts       https://{host}:{ports.accounts}
  gateway                 https://{host}:{ports.gateway}
  tunnels                 devices dial port {ports.tunnel}; people come to https://{host}:{ports.visitors}
  state folder            {state.root}
  for programs            {state.endpoints}
  CA to trust             {state.ca_certificate}
  logs                    {state.log}
  messages to people      {state.mail}; `flockctl mail list` shows them
  the first owner         signs in at the command line by the API key in {state.owner_api_key}, which flockctl
                          finds by itself; in a browser, once `flockctl account setup` has printed the link for it
Try:  .venv/bin/flockctl status
Stop: Ctrl-C, or `make down`
"""
