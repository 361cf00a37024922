"""Lines: the ways out and their order, outside dialling, incoming numbers."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("lines", __name__, lazy_gettext("Lines"), icon="lines", order=60)
