"""Home: how the box is, in one sentence, and what needs somebody."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("home", __name__, lazy_gettext("Home"), icon="home", order=10, thumb=True)
