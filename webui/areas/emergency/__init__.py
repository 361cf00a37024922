"""Emergency: locations and what 911 hears from them, proof, journal of calls, settings."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("emergency", __name__, lazy_gettext("Emergency"), icon="sos", order=20, thumb=True)
