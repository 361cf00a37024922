"""Diagnose: what is wrong, why, and what to do."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("diag", __name__, lazy_gettext("Diagnose"), icon="diag", order=110)
