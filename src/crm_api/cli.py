"""The console command `crm-api`: what an operator and a developer call."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

_MODULES: Final = {
    "serve": "serving",
    "worker": "working",
    "migrate": "database",
    "bootstrap": "database",
    "demo": "demo",
    "import": "importing",
    "token": "sessions",
    "shell": "sessions",
    "openapi": "documents",
    "matrix": "documents",
    "verify": "checking",
    "doctor": "checking",
    "backup": "backups",
    "restore": "backups",
}
"""Command → the module in `crm_api.commands` that registers it, in the order of the help."""


class _Commands(Mapping[str, Any]):
    """Imports what a command needs when it is asked for: importing all takes two seconds."""

    def __getitem__(self, name: str) -> Any:
        found = typer.Typer(callback=lambda: None)
        import_module(f"crm_api.commands.{_MODULES[name]}").register(found)
        return get_group(found).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


class _OnDemand(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()  # type: ignore[assignment]  # nobody adds to it


app = typer.Typer(
    name="crm-api",
    cls=_OnDemand,
    help="Headless client management: the API server and its tools.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    callback=lambda: None,
)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
