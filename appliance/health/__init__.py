"""How the machine under the box is: what is measured, and what is to be thought of it."""
