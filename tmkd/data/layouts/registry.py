"""The registry of formats: a new one is a ``Layout`` here, and a name in ``tmkd.choices.FORMATS``."""

from __future__ import annotations

from tmkd.data.layouts.ids import IDS
from tmkd.data.layouts.layout import Layout
from tmkd.data.layouts.texted import TEXTED

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (*TEXTED, *IDS)}
