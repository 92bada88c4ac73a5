"""Where the files are that come with the program: the settings in ``conf/`` and the examples in ``data/``.

In a checkout they lie beside the package, so that they are easy to find and to change; in a wheel, inside it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_HOME = _PACKAGE if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent
CONF = _HOME / "conf"
EXAMPLES = _HOME / "data" / "smoke"
