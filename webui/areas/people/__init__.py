"""People: users and what belongs to them. The pattern that other areas follow."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("people", __name__, lazy_gettext("People"), icon="people", order=30, thumb=True)
