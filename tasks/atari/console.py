"""The console: the emulator of ale-py with a game's cartridge in it.

ale-py brings the cartridges. Its emulator is started with sticky actions off: the environment
holds them itself, so that no copy of the emulator knows what they will be.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import gymnasium

from icil.tasks.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from ale_py import ALEInterface

_REMEDY = (
    "install it again with `pip install --force-reinstall ale-py`, or set ALE_ROMS_DIR to a "
    "folder that holds the ROMs"
)


@cache
def games() -> tuple[str, ...]:
    """Returns the names of all games that one player can play, sorted.

    Raises:
        UsageError: ale-py is missing.
    """
    _import()
    specs = gymnasium.registry.values()
    return tuple(sorted(s.kwargs["game"] for s in specs if s.id.startswith("ALE/")))


def check_game(game: str) -> None:
    """Raises an error unless there is such a game.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
    """
    if game not in games():
        raise UnknownNameError("Atari game", game, games())


def start_console(game: str, frame_skip: int = 1) -> "ALEInterface":
    """Returns a new emulator at the beginning of a game.

    Args:
        game: Such as `phoenix`.
        frame_skip: For how many frames `act` holds an action.

    Raises:
        UnknownNameError: There is no such game.
        UsageError: ale-py or the game's ROM is missing, or the ROM is damaged.
    """
    check_game(game)
    ale_py = _import()
    try:
        rom = ale_py.roms.get_rom_path(game)
    except OSError as error:
        told = " ".join(str(error).split()).rstrip(".")
        raise UsageError(f"ale-py has no sound ROM of {game}: {told}; {_REMEDY}") from error
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    console: ALEInterface = ale_py.ALEInterface()
    console.setInt("random_seed", 0)
    console.setInt("frame_skip", frame_skip)
    console.setFloat("repeat_action_probability", 0.0)
    console.loadROM(rom)
    console.reset_game()
    return console


def ale_version() -> str:
    """Returns the version of ale-py.

    Raises:
        UsageError: ale-py is missing.
    """
    return str(_import().__version__)


def _import() -> Any:
    try:
        import ale_py
        import ale_py.roms
    except ImportError as error:
        raise UsageError(
            f"Atari games need ale-py ({error}); install it with `pip install ale-py`"
        ) from error
    return ale_py
