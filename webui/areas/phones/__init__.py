"""Phones: everything that registers, with an owner or without, and what to type into it."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("phones", __name__, lazy_gettext("Phones"), icon="phone", order=40, thumb=True)
