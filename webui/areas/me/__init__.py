"""My pages: what a user of the site sees and changes of his own, and nothing else (rows T5 to T8)."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("me", __name__, lazy_gettext("My pages"), icon="people", order=10, roles=frozenset({"user"}), thumb=True)
