"""The console command `crm-api`: what an operator and a developer call. It imports everything."""

import typer

from crm_api.commands import (
    backups,
    checking,
    database,
    demo,
    documents,
    importing,
    serving,
    sessions,
    working,
)

app = typer.Typer(
    name="crm-api",
    help="Headless client management: the API server and its tools.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (serving, working, database, demo, importing, sessions, documents, checking, backups):
    module.register(app)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
