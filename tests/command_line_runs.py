"""Commands run in this process: what they write, and that they fail with one message."""

from __future__ import annotations

from lmforms.cli import main


def good(capsys, *argv: str) -> str:
    """Standard output of a command that succeeds without a warning."""
    status = main(argv)
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return out


def bad(capsys, *argv: str, status: int = 1) -> str:
    """Standard error of a command that fails."""
    try:
        found = main(argv)
    except SystemExit as done:
        found = done.code
    out, err = capsys.readouterr()
    assert (found, out) == (status, "")
    assert err.startswith("lmforms: ")
    assert "Traceback" not in err
    return err
