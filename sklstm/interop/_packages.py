"""Packages that only some need: imported when they are asked for, named when they are missing."""

from importlib import import_module
from typing import Any

from sklstm._machine.undisturbed import interrupts_held_back


def needed(package: str, what: str) -> Any:
    """A package, or a module of one, that the extra `interop` brings.

    Parameters
    ----------
    package : str
    what : str
        What needs it, as the user wrote it.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        with interrupts_held_back():
            return import_module(package)
    except ModuleNotFoundError as error:
        name = package.partition(".")[0]
        if (error.name or "").partition(".")[0] != name:
            raise
        raise ImportError(
            f'{what} needs {name}, which is not installed: pip install "sklstm[interop]".',
            name=name,
        ) from error
