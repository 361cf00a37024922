"""Calls: those that were, one of them in all its detail, and those that are up now."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("calls", __name__, lazy_gettext("Calls"), icon="calls", order=70)
