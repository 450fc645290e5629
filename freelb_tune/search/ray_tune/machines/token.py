"""Ray's token: whoever has it can run code in our Ray, so no other user may read it.

Room: search, without Ray.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from freelb_tune.errors import FreeLBTuneError

__all__ = ["find_token", "secure_token"]

_TOKEN, _PATH = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


def find_token() -> tuple[str | None, str]:
    """A token that this user has for Ray, and where; else None, and where it was looked for."""
    if token := os.environ.get(_TOKEN):
        return token, _TOKEN
    try:
        path = Path(os.environ.get(_PATH) or Path.home() / ".ray" / "auth_token")
        return path.read_text("utf-8").strip(), str(path)
    except (OSError, RuntimeError, ValueError):
        return None, f"none is in {_TOKEN}, {_PATH} or ~/.ray/auth_token"


def secure_token() -> str:
    """Have a token that only this user can read.

    Ray 2.60 asks for it by default in a Ray that it starts, and would write it readable to all.

    Returns:
        How the user comes by it, for the dashboard.

    Raises:
        FreeLBTuneError: it cannot be written where `RAY_AUTH_TOKEN_PATH` says.
    """
    if os.environ.get(_TOKEN):
        return f"its token: {_TOKEN}"
    named = os.environ.get(_PATH)
    try:
        path = Path(named) if named else Path.home() / ".ray" / "auth_token"
        _write_once(path)
    except (OSError, RuntimeError) as err:  # without a home there is a RuntimeError
        if named:
            raise FreeLBTuneError(
                f"{named}: cannot write Ray's token here ({getattr(err, 'strerror', err)}); set "
                f"{_PATH} to a file in a folder of yours"
            ) from err
        os.environ[_TOKEN] = secrets.token_hex(32)  # Ray keeps a token as long as a process lives
        return f"set {_PATH} to have its token, as your home folder cannot be written in"
    return "its token: ray get-auth-token"


def _write_once(path: Path) -> None:
    """Write a token unless there is one; searches that start together take the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
            ) as file:
                file.write(secrets.token_hex(32))
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
