"""Declarative forms over objects of the site document: what is asked, how it is shown, read, checked and saved."""

from webui.forms.fields import Choices, Field, Lines, Mac, Number, Phone, Ref, Refs, Secret, Section, Select, Switch, Text
from webui.forms.form import Bound, Form, slug

__all__ = ["Bound", "Choices", "Field", "Form", "Lines", "Mac", "Number", "Phone", "Ref", "Refs", "Secret", "Section", "Select", "Switch", "Text", "slug"]
