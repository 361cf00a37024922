"""Settings: the site itself, who administers it, what programs may do, its history."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("settings", __name__, lazy_gettext("Settings"), icon="set", order=120)
